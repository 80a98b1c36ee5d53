// A machine as its node has it at this moment.
import { TvmError } from '@tvm/api/errors.ts';
import type { Machine } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { Fleet, PlacedMachine } from './fleet.ts';

const deadlineMs = 2_000;

/** Undefined: it is gone. What was last known of it when the node does not answer. */
export async function machineNow(
  fleet: Pick<Fleet, 'client' | 'machine'>,
  { node, machine }: PlacedMachine,
): Promise<Machine | undefined> {
  try {
    return await fleet.client(node).getMachine({ uid: machine.uid }, { timeoutMs: deadlineMs });
  } catch (error) {
    if (TvmError.from(error).code === 'not_found') return undefined;
    return fleet.machine(machine.uid)?.machine;
  }
}
