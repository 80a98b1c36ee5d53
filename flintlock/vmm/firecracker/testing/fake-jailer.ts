// A program that behaves as Firecracker's jailer does, but for the jail: it lays out the folder, copies the program, leaves it
// behind as a process of its own whose number it writes to a file, and ends. Refuses options that the jailer does not know.
import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';

const text = { type: 'string' } as const;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ...{ id: text, 'exec-file': text, uid: text, gid: text, 'chroot-base-dir': text, netns: text },
    ...{ 'new-pid-ns': { type: 'boolean' }, daemonize: { type: 'boolean' }, version: { type: 'boolean' } },
    ...{ 'cgroup-version': text, cgroup: { ...text, multiple: true }, 'parent-cgroup': text },
    'resource-limit': { ...text, multiple: true },
  },
});
if (values.version) {
  console.log('Jailer v1.16.1');
  process.exit(0);
}
const { id = '', 'exec-file': program = '', 'chroot-base-dir': base = '' } = values;
const name = basename(program);
const root = join(base, name, id, 'root');
mkdirSync(root, { recursive: true });
if (statSync(join(root, `${name}.pid`), { throwIfNoEntry: false })) {
  console.error(`Failed to open file ${name}.pid: File exists`);
  process.exit(1);
}
copyFileSync(program, join(root, name));
for (const folder of ['dev/net', 'run']) mkdirSync(join(root, folder), { recursive: true });
chmodSync(root, 0o700);
const child = spawn(join(root, name), ['--id', id, '--start-time-us', '1', ...positionals], {
  cwd: root,
  detached: true,
  stdio: 'inherit',
});
writeFileSync(join(root, `${name}.pid`), String(child.pid), { flag: 'wx' });
process.exit(0);
