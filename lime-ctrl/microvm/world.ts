// The words of the MicroVM controller: what is observed, what can be done, what is planned. All of it is plain data, so
// that a plan can be printed, compared and replayed.
import type { MicroVm, MicroVmStatus } from '@tvm/api/kinds/microvm.ts';
import type { EventIntent } from '@tvm/kit/kube/event-recorder.ts';
import type { ObservedNode } from '../placement/place.ts';
import type { StartFrom } from './start-from.ts';

export const ownerLabel = 'owner';
export const machineStates = ['Creating', 'Running', 'Paused', 'Stopped', 'Failed', 'Destroying'] as const;

export interface ObservedMachine {
  uid: string;
  node: string;
  generation: number;
  state: (typeof machineStates)[number];
  reason: string;
  message: string;
  bootMs: number;
  /** It started from a snapshot. */
  restored: boolean;
  imageDigest: string;
  /** That its packets have on its node; empty: none. */
  address: string;
  startedAtMs: number;
  /** When it was last used, as its node and this process know. */
  lastActiveAtMs: number;
  /** Execs and file requests that are open. */
  openCalls: number;
  exitCode: number | undefined;
  /** As large as its guest has them; absent: none. */
  disks?: { name: string; sizeMiB: number }[];
}

/** Failures of a machine in a row, and when the last one was seen. */
export interface FailureRecord {
  count: number;
  atMs: number;
}

export interface Observed {
  /** Undefined when no such object exists. */
  vm: MicroVm | undefined;
  /** The machine with the uid of the object, wherever it is. */
  machine: ObservedMachine | undefined;
  /** Machines made for an object of this name with another uid. */
  strays: ObservedMachine[];
  nodes: ObservedNode[];
  from: StartFrom;
  /** Secrets named by envFrom that do not exist. */
  missingSecrets: string[];
  failures: FailureRecord;
  /** Why its namespace may not have one more such machine now; undefined: it may, or that was not asked. */
  overQuota?: string;
  nowMs: number;
}

export type Action =
  | { type: 'addFinalizer' }
  | { type: 'removeFinalizer' }
  | { type: 'deleteObject' }
  /** Sets desiredState: an idle machine that was stopped stays so until somebody starts it. */
  | { type: 'declareStopped' }
  /** Written before the machine is made: a crash in between cannot lose a machine. */
  | { type: 'assignHost'; node: string }
  /** `snapshot`: its name on the node; empty: none. */
  | { type: 'createMachine'; node: string; snapshot: string }
  | { type: 'startMachine'; node: string }
  /** To the sizes that are declared now, while it runs. */
  | { type: 'growDisks'; node: string }
  | { type: 'pauseMachine'; node: string }
  | { type: 'resumeMachine'; node: string }
  | { type: 'stopMachine'; node: string }
  | { type: 'destroyMachine'; node: string; uid: string };

export interface Plan {
  actions: Action[];
  /** What the status should say; undefined when there is no object to say it of. */
  status: MicroVmStatus | undefined;
  events: EventIntent[];
  requeueAfterMs: number | undefined;
}
