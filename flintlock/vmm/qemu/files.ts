// Names of what a VM of QEMU has in its folder.
import { join } from 'node:path';
import { vmmFolder } from '../../confinement/confinement.ts';
import type { Vm } from '../driver.ts';
import { processFiles } from '../process.ts';

/** What QEMU itself makes, in a folder of its own, where it runs. */
export const vmmFiles = {
  qmp: 'qmp.sock',
  console: 'console.sock',
  agent: 'agent.sock',
  migration: 'state.sock',
  memory: 'memory',
} as const;

export const files = { vmm: vmmFolder, ...processFiles } as const;

/** Absolute. */
export function pathOf(vm: Vm, file: keyof typeof vmmFiles): string {
  return join(vm.folder, vmmFolder, vmmFiles[file]);
}

/** Names of what a snapshot of QEMU consists of. */
export const snapshotFiles = { state: 'state', memory: 'memory', about: 'qemu.json' } as const;
