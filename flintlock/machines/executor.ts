// What carrying out a machine's plan needs. Invariant: everything arrives here; no action reaches for anything else.
import type { ImageStore } from '@tvm/images/contract.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Tracing } from '@tvm/kit/tracing/tracing.ts';
import type { DiskStore } from '../disks/disk-store.ts';
import type { Networks } from '../network/networks.ts';
import type { SnapshotStore } from '../snapshots/snapshot-store.ts';
import type { Templates } from '../templates/templates.ts';
import type { Driver } from '../vmm/driver.ts';
import type { Machine } from './machine.ts';
import type { Action } from './plan.ts';

export type Images = Pick<ImageStore, 'bootFiles' | 'ensure' | 'list' | 'remove'> &
  Partial<Pick<ImageStore, 'declareUses'>>;

export interface ExecutorDeps {
  driver: Driver;
  images: Images;
  snapshots: SnapshotStore;
  templates: Templates;
  disks: DiskStore;
  networks: Networks;
  clock: Clock;
  bootTimeoutMs: number;
  /** Undefined: nothing is traced. */
  tracing?: Tracing | undefined;
  /** Removes the machine's record and folder. */
  forget: (machine: Machine) => void;
}

export type Executor = (machine: Machine, action: Action, signal: AbortSignal) => Promise<void>;
