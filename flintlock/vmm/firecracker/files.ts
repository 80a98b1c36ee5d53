// Names of what a VM of Firecracker has in its folder. All are given to it relative to its working folder, so that a snapshot
// names none of the folder that it was taken in.
import { processFiles } from '../process.ts';
import { diskFiles } from './disks.ts';

/** What Firecracker reads, by the name that it knows: a link to the file, or in a jail the file itself, mounted read-only. */
export const inputFiles = {
  kernel: 'kernel',
  initrd: 'initrd',
  root: 'root.img',
  fromState: 'from.state',
  fromMemory: 'from.memory',
} as const;

/** Pipes that Firecracker writes to. */
export const pipes = { console: 'console', log: 'log', metrics: 'metrics' } as const;

/** What a jailed VMM calls a snapshot that it writes. */
export const outputFiles = { state: 'to.state', memory: 'to.memory' } as const;

export const files = {
  ...{ api: 'api.sock', vsock: 'vsock.sock', toState: outputFiles.state, toMemory: outputFiles.memory },
  ...{ pager: 'pager.sock' },
  ...{ diskUse: 'disk-use.json', ...diskFiles },
  ...{ ...pipes, ...inputFiles, ...processFiles },
} as const;

/** Names of what a snapshot of Firecracker consists of. */
export const snapshotFiles = { state: 'state', memory: 'memory', about: 'firecracker.json' } as const;
