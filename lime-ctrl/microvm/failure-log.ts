// How often each machine failed in a row, for the backoff of its next start. In memory: after a restart of this process
// a machine is at its first failure again. Invariant: one failure counts once, however often it is looked at.
import { type Machine, MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { FailureRecord } from './world.ts';

/** A machine that ran this long has proven itself: its failures are forgotten. */
const provenMs = 600_000;
const none: FailureRecord = { count: 0, atMs: 0 };

export interface FailureLog {
  /** Takes note of the machine as it is now. */
  note(uid: string, machine: Machine | undefined, nowMs: number): FailureRecord;
}

export function makeFailureLog(): FailureLog {
  const records = new Map<string, FailureRecord & { revision: bigint }>();
  return {
    note(uid, machine, nowMs) {
      if (!machine) {
        records.delete(uid);
        return none;
      }
      const record = records.get(uid);
      if (!hasFailed(machine)) return record ?? none;
      if (record?.revision === machine.revision) return record;
      const ranMs = machine.startedAtMs > 0n ? nowMs - Number(machine.startedAtMs) : 0;
      const count = ranMs >= provenMs ? 1 : (record?.count ?? 0) + 1;
      const next = { count, atMs: nowMs, revision: machine.revision };
      records.set(uid, next);
      return next;
    },
  };
}

function hasFailed({ state, reason }: Machine): boolean {
  if (state === MachineState.FAILED) return true;
  return state === MachineState.STOPPED && reason !== 'Requested' && reason !== 'CommandExited';
}
