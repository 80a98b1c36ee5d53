// When machines were last wanted, beside what their nodes tell of it: by requests that are still on their way to them.
// Invariant: in memory alone, forgotten with the machine; its loss makes a machine idle a little sooner.
import type { Clock } from '@tvm/kit/clock.ts';
import type { Fleet } from '../flintlock/fleet.ts';

export interface Activity {
  /** The machine is wanted now. Machines that do not exist are not remembered. */
  note(uid: string): void;
  /** 0: nothing is known. */
  atMs(uid: string): number;
}

export function makeActivity({ fleet, clock }: { fleet: Fleet; clock: Clock }): Activity {
  const times = new Map<string, number>();
  fleet.subscribe((event) => {
    if (event.type === 'machine' && !event.machine) times.delete(event.uid);
  });
  return {
    note: (uid) => {
      if (fleet.machine(uid)) times.set(uid, clock.now());
    },
    atMs: (uid) => times.get(uid) ?? 0,
  };
}
