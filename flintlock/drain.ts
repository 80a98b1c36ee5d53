// The end of a node whose machines end with its process, as in a pod: it takes no new ones, tells so, and waits until those
// that it has were taken from it. Invariant: waiting is bounded.
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { Machines } from './machines/machines.ts';
import type { MachineRecord } from './machines/record.ts';

const lookEveryMs = 200;

/** Whether the node is being drained. */
export interface Drain {
  readonly draining: boolean;
  /** Throws `unavailable` (reason NodeDraining) once the node takes no more machines. */
  checkOpen(): void;
}

export interface DrainDeps {
  machines: Pick<Machines, 'list'>;
  clock: Clock;
  log: Logger;
}

export function makeDrain({ machines, clock, log }: DrainDeps): Drain & { run: (deadlineMs: number) => Promise<void> } {
  let draining = false;
  const left = () => machines.list().filter(isMissed).length;
  return {
    get draining() {
      return draining;
    },
    checkOpen() {
      if (!draining) return;
      const hint = 'It is placed on another node.';
      throw new TvmError('unavailable', 'this node is being drained', { reason: 'NodeDraining', hint });
    },
    /** Resolves when no machine is up that somebody uses, `deadlineMs` from now at most. */
    async run(deadlineMs) {
      draining = true;
      const endMs = clock.now() + deadlineMs;
      if (left() > 0) log.info({ machines: left(), deadlineMs }, 'draining');
      while (left() > 0 && clock.now() < endMs) await clock.sleep(lookEveryMs);
      if (left() > 0) log.warn({ machines: left() }, 'machines are still up: they end with this node');
    },
  };
}

/** Whether somebody loses something with the machine. One that waits for its first caller holds nothing of anybody. */
function isMissed({ state, spec, used }: MachineRecord): boolean {
  const isUp = state !== 'stopped' && state !== 'failed';
  return isUp && !spec.template && (used || !spec.standby);
}
