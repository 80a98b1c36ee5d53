// Names of what a VM of Firecracker has in its folder. All are given to it relative to its working folder, so that a snapshot
// names none of the folder that it was taken in.
import { processFiles } from '../process.ts';

export const files = {
  api: 'api.sock',
  vsock: 'vsock.sock',
  console: 'console',
  ...processFiles,
} as const;

/** Names of what a snapshot of Firecracker consists of. */
export const snapshotFiles = { state: 'state', memory: 'memory', about: 'firecracker.json' } as const;
