// What a caller may ask of a machine now. Invariant: a declaration older than the newest seen is refused.
import { TvmError } from '@tvm/api/errors.ts';
import { type MachineRecord, objectOf } from './record.ts';

/** Throws `failed_precondition` for a generation that is older than the record's. */
export function checkGeneration(record: MachineRecord, generation: number): void {
  if (generation >= record.generation) return;
  const message = `generation ${generation} of machine ${record.uid} is older than ${record.generation}, already seen`;
  throw new TvmError('failed_precondition', message, { object: objectOf(record.uid), reason: 'StaleGeneration' });
}

export function wrongState({ uid, state, ...record }: MachineRecord, operation: string): TvmError {
  const why = [record.reason, record.message].filter((part) => part !== '').join(': ');
  const detail = why && ` (${why})`;
  const message = `cannot ${operation} machine ${uid}: it is ${state}${detail}`;
  return new TvmError('failed_precondition', message, { object: objectOf(uid), reason: 'WrongState' });
}

/** Or on its way. */
export function isUp({ state }: MachineRecord): boolean {
  return state === 'creating' || state === 'running' || state === 'paused';
}

/** Ready, paused, and nobody's yet. */
export function waits({ spec, used, state, desired }: MachineRecord): boolean {
  return spec.standby && !used && state === 'paused' && desired === 'paused';
}
