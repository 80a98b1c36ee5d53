// The words of the MicroVMSnapshot controller: what is observed, what can be done, what is planned. All of it is plain data.
import type { MicroVmSnapshot, MicroVmSnapshotStatus } from '@tvm/api/kinds/microvm-snapshot.ts';
import type { EventIntent } from '@tvm/kit/kube/event-recorder.ts';
import type { ObservedMachine } from '../microvm/world.ts';

/** The files of the snapshot on one node. */
export interface HeldSnapshot {
  node: string;
  generation: number;
  sizeBytes: number;
  createdAtMs: number;
  image: string;
  cpu: number;
  memory: number;
}

export interface Observed {
  /** Undefined when no such object exists. */
  snapshot: MicroVmSnapshot | undefined;
  /** Whether the MicroVM that it names exists. */
  sourceExists: boolean;
  /** The machine of that MicroVM. */
  source: ObservedMachine | undefined;
  /** Of the nodes that answer. */
  held: HeldSnapshot[];
  nodes: { name: string; reachable: boolean; sinceMs: number }[];
  /** After a failure: not before this. */
  retryAtMs: number;
  nowMs: number;
}

export type Action =
  | { type: 'addFinalizer' }
  | { type: 'removeFinalizer' }
  /** Written before the files are: a crash in between cannot lose them. */
  | { type: 'assignHost'; node: string }
  | { type: 'takeSnapshot'; node: string; uid: string; generation: number }
  | { type: 'deleteFiles'; node: string };

export interface Plan {
  actions: Action[];
  /** What the status should say; undefined when there is no object to say it of. */
  status: MicroVmSnapshotStatus | undefined;
  events: EventIntent[];
  requeueAfterMs: number | undefined;
}

/** The name of a snapshot on its node: the same for the whole life of the object, and of no other one. */
export function nameOnNode({ metadata, spec }: MicroVmSnapshot): string {
  return spec.source.retained ?? `mvmsnap-${metadata.uid}`;
}
