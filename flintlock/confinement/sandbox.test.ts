import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { librariesIn } from './program-files.ts';
import { type Sandbox, sandboxCommand } from './sandbox.ts';

const files = {
  program: '/usr/bin/qemu-system-x86_64',
  paths: ['/usr/lib/x86_64-linux-gnu', '/etc/ld.so.cache'],
  links: [{ name: '/lib64', target: 'usr/lib64' }],
};
const plain: Sandbox = {
  folder: '/state/machines/a1/vmm',
  readable: ['/cache/root.squashfs'],
  writable: [],
  devices: [],
  user: { uid: 200001, groups: [] },
  environment: {},
};
const cases: Record<string, Sandbox> = {
  plain,
  everything: {
    ...plain,
    writable: ['/state/disks/data'],
    devices: ['/dev/kvm'],
    user: { uid: 200001, groups: [108] },
    environment: { LD_PRELOAD: '/state/x.so' },
  },
  'not-root': { ...plain, user: undefined },
};

for (const [name, sandbox] of Object.entries(cases)) {
  test(`the command of a sandbox is as reviewed: ${name}`, () => {
    const { program, args } = sandboxCommand(files, sandbox, ['-name', 'guest=tvm-a1']);
    const golden = readFileSync(new URL(`golden/${name}.txt`, import.meta.url), 'utf8');
    assert.equal(`${[program, ...args].join('\n')}\n`, golden);
  });
}

test('libraries are read from what ldd says', () => {
  const output = `\tlinux-vdso.so.1 (0x00007ffd0)
\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f00)
\tlibmissing.so => not found
\t/lib64/ld-linux-x86-64.so.2 (0x00007f01)
/usr/bin/other:
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f02)
`;
  const names = ['/lib/x86_64-linux-gnu/libz.so.1', '/lib64/ld-linux-x86-64.so.2', '/lib/x86_64-linux-gnu/libc.so.6'];
  assert.deepEqual(librariesIn(output), names);
});
