// Ids of what runs in the machine for a caller. Invariant: an id names a process of the machine and proves who started it; one
// that another caller, another session or the machine itself made up opens nothing.
import { TvmError } from '@tvm/api/errors.ts';
import type { SessionContext } from '../contract.ts';
import type { Seal } from '../seal.ts';

const kind = 'e';

export function callerOf({ session, caller }: SessionContext): string {
  return JSON.stringify([session.uid, caller]);
}

export function mintExecutionId(seal: Seal, context: SessionContext): Promise<string> {
  return seal.mint(kind, callerOf(context));
}

export function isExecutionId(seal: Seal, context: SessionContext, id: string): Promise<boolean> {
  return seal.holds(id, kind, callerOf(context));
}

/** Throws not_found for an id that is not the caller's: whose it is nobody learns. */
export async function checkExecutionId(seal: Seal, context: SessionContext, id: string): Promise<void> {
  if (await isExecutionId(seal, context, id)) return;
  throw new TvmError('not_found', 'there is no such execution', { hint: 'list_processes tells which there are.' });
}
