// Names of what a VM of QEMU has in its folder.
export const files = {
  qmp: 'qmp.sock',
  console: 'console.sock',
  agent: 'agent.sock',
  migration: 'state.sock',
  memory: 'memory',
  stderr: 'vmm.stderr',
  process: 'vmm.json',
} as const;

/** Names of what a snapshot of QEMU consists of. */
export const snapshotFiles = { state: 'state', memory: 'memory', about: 'qemu.json' } as const;
