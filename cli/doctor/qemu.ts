// Which QEMU is installed.
import { execFile } from 'node:child_process';

/** "7.2.22 (Debian …)", or why it could not be asked. */
export function qemuVersion(path: string): Promise<string> {
  return new Promise((resolve) => {
    execFile(path, ['--version'], { timeout: 10_000 }, (error, stdout) => {
      resolve(/version ([^\n]+)/.exec(stdout)?.[1] ?? error?.message ?? 'unknown');
    });
  });
}
