// Runs one program to its end and gives what it printed.
import { spawn } from 'node:child_process';
import { TvmError } from '@tvm/api/errors.ts';

export interface CommandOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  input?: string;
  /** Called with each line of stderr, for progress. */
  onProgress?: (line: string) => void;
  /** Called with all of stdout each time that there is more; `stop` ends the program. */
  onOutput?: (output: string, stop: () => void) => void;
}

export interface CommandResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** Never throws for an exit code; throws TvmError `unavailable` when the program cannot be started. */
export function runCommand(program: string, args: string[], options: CommandOptions = {}): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: options.cwd, env: options.env, stdio: 'pipe' });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      options.onOutput?.(stdout, () => child.kill('SIGKILL'));
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      for (const line of text.split('\n')) if (line.trim() !== '') options.onProgress?.(line.trim());
    });
    child.on('error', (cause) => reject(new TvmError('unavailable', `${program}: cannot be started`, { cause })));
    child.on('close', (code) => resolve({ exitCode: code ?? -1, stdout, stderr }));
    child.stdin.on('error', () => undefined); // a program that ends without reading is judged by its exit code
    child.stdin.end(options.input ?? '');
  });
}

/** The standard output of a program that must succeed; throws TvmError `internal` with the end of its stderr. */
export async function outputOf(program: string, args: string[], options: CommandOptions = {}): Promise<string> {
  const result = await runCommand(program, args, options);
  if (result.exitCode === 0) return result.stdout;
  const end = result.stderr.trim().split('\n').slice(-15).join('\n');
  throw new TvmError('internal', `${[program, ...args].join(' ')}: exit ${result.exitCode}\n${end}`);
}
