import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type CommandLineInput, qemuArguments } from './command-line.ts';

const spec = {
  cpus: 2,
  memoryMiB: 256,
  rootDiskPath: '/cache/a,b/root.squashfs',
  boot: { kernelPath: '/cache/vmlinux', initrdPath: '/cache/initrd', kernelArgs: ['extra=1'], needsAcpi: false },
};
const cases: Record<string, CommandLineInput> = {
  'boot-tcg': { id: 'a1', spec, accelerator: 'tcg', memory: { kind: 'file' }, boots: true, tscKhz: 2600000 },
  'boot-kvm-acpi': {
    id: 'a1',
    spec: { ...spec, boot: { ...spec.boot, needsAcpi: true } },
    ...{ accelerator: 'kvm', memory: { kind: 'file' }, boots: true, tscKhz: undefined },
  },
  'restore-limited': {
    id: 'a1',
    spec: {
      ...spec,
      disks: [{ name: 'data', path: '/disks/data', sizeMiB: 64 }],
      limits: { diskIops: 100, diskBytesPerSecond: 1048576 },
    },
    ...{ accelerator: 'tcg', memory: { kind: 'clone', path: '/snap/memory' }, boots: false, tscKhz: 2600000 },
  },
  'restore-clone': {
    id: 'a1',
    spec,
    ...{ accelerator: 'tcg', memory: { kind: 'clone', path: '/snap/memory' }, boots: false, tscKhz: 2600000 },
  },
};

for (const [name, input] of Object.entries(cases)) {
  test(`the arguments of ${name} are as reviewed`, () => {
    const golden = readFileSync(new URL(`golden/${name}.txt`, import.meta.url), 'utf8');
    assert.equal(`${qemuArguments(input).join('\n')}\n`, golden);
  });
}

test('the longest name of a disk makes no longer names in QEMU than it takes, with limits too', () => {
  const disks = [{ name: 'x'.repeat(20), path: '/disks/x', sizeMiB: 64 }];
  const limited = { ...spec, disks, limits: { diskIops: 100 } };
  const input = { id: 'a1', accelerator: 'tcg', memory: { kind: 'file' }, boots: true, tscKhz: undefined } as const;
  const text = qemuArguments({ ...input, spec: limited }).join('\n');
  const names = [...text.matchAll(/node-name=([^,\n]+)/g)].map(([, name = '']) => name);
  assert.equal(names.length, 4);
  for (const name of names) assert.ok(name.length <= 31, `${name} has ${name.length} letters`);
});
