// Files of mode 0600 that are never seen half written.
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';

export function writePrivateFile(path: string, content: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  const file = openSync(temporary, 'w', 0o600);
  try {
    writeSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}
