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
