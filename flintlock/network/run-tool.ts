// Runs one of the host's network tools with a text as its input. Invariant: it ends within a deadline, and a failure says what the
// tool said.
import { spawn } from 'node:child_process';
import { TvmError } from '@tvm/api/errors.ts';
import { toolEnvironment } from '../system-path.ts';

const deadlineMs = 10_000;
const maxOutputBytes = 8 * 1024 * 1024;

/** Gives the tool's output. Throws `failed_precondition` with reason `NetworkUnavailable`. */
export async function runTool(program: string, args: readonly string[], input = ''): Promise<string> {
  const child = spawn(program, args, { env: toolEnvironment, timeout: deadlineMs, killSignal: 'SIGKILL' });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout = (stdout + text).slice(0, maxOutputBytes);
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr = (stderr + text).slice(-2000);
  });
  // A tool that ends before it has read everything says why itself.
  child.stdin.on('error', () => undefined).end(input);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', (cause) => reject(networkUnavailable(`${program} cannot be run: ${cause.message}`, cause)));
    child.on('close', resolve);
  });
  if (code === 0) return stdout;
  throw networkUnavailable(`${program} failed: ${stderr.trim() || `exit code ${code}`}`);
}

export function networkUnavailable(message: string, cause?: unknown): TvmError {
  return new TvmError('failed_precondition', message, { cause, reason: 'NetworkUnavailable' });
}
