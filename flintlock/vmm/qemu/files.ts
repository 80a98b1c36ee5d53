// Names of what a VM of QEMU has in its folder.
import { processFiles } from '../process.ts';

export const files = {
  qmp: 'qmp.sock',
  console: 'console.sock',
  agent: 'agent.sock',
  migration: 'state.sock',
  memory: 'memory',
  ...processFiles,
} as const;

/** Names of what a snapshot of QEMU consists of. */
export const snapshotFiles = { state: 'state', memory: 'memory', about: 'qemu.json' } as const;
