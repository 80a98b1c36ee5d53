// A program run to its end. Invariant: it is started in a session of its own, so that Ctrl-C reaches the benchmark alone,
// which then ends what it started in order.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

const saidBytes = 2000;

/** Standard output. Throws an Error with what it said when it does not end with code 0. */
export async function runProgram(file: string, args: string[], env?: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn(file, args, { ...(env && { env }), detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (code === 0) return stdout;
  throw new Error(
    `${file} ${args[0] ?? ''}: ended with ${signal ?? code}: ${(stderr || stdout).trim().slice(-saidBytes)}`,
  );
}

/** Whether such a program is on `path` (the value of PATH). */
export function isInstalled(program: string, path: string): boolean {
  return path.split(':').some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
