// What must be cleaned up also when its owner is killed: a shell waits for the end of a pipe, then cleans up.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Runs the shell script with `args` as $0, $1, … when disposed of, which waits for its end, or when this process is gone. */
export function cleanUpAfterwards(script: string, args: string[]): AsyncDisposable {
  const shell = spawn('sh', ['-c', `read -r _; ${script}`, ...args], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  shell.unref();
  return {
    [Symbol.asyncDispose]: async () => {
      if (shell.exitCode !== null) return;
      const end = once(shell, 'exit');
      shell.ref();
      shell.stdin.end('\n');
      await end;
    },
  };
}
