// Disks for the tests of drivers whose guests can mount them.
import { execFile } from 'node:child_process';
import { truncate, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { toolEnvironment } from '../system-path.ts';

export async function makeTestDisk(path: string, sizeMiB: number): Promise<void> {
  await writeFile(path, '', { mode: 0o600 });
  await truncate(path, sizeMiB * 1024 * 1024);
  await promisify(execFile)('mkfs.ext4', ['-q', '-F', '-b', '4096', path], { env: toolEnvironment });
}
