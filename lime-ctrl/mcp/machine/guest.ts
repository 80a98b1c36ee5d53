// The machine of a session, for one call: where it is, and how its node is called. Invariant: the machine is asked for once,
// when the call first needs it, so that a call that needs none works without one.
import { TvmError } from '@tvm/api/errors.ts';
import type { FlintlockClient, PlacedMachine, SessionContext } from '../contract.ts';

export const callDeadlineMs = 30_000;

export interface Place extends PlacedMachine {
  client: FlintlockClient;
  uid: string;
}

export interface Guest {
  /** Throws what SessionContext.machine throws. */
  place(): Promise<Place>;
}

export function makeGuest(context: SessionContext, clientOf: (node: string) => FlintlockClient): Guest {
  let placing: Promise<Place> | undefined;
  return {
    place() {
      placing ??= context.machine().then((placed) => ({
        ...placed,
        client: clientOf(placed.node),
        uid: placed.machine.uid,
      }));
      return placing;
    },
  };
}

/** For a person or a model: what failed and what to do about it. */
export function explain(thrown: unknown): string {
  const { message, hint, reason } = TvmError.from(thrown);
  return `${message}${reason ? ` (${reason})` : ''}${hint ? `. ${hint}` : ''}`;
}
