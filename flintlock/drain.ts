// The end of a node whose machines end with its process, as in a pod: it takes no new ones, tells so, and waits until those
// that it has were taken from it. Invariant: waiting is bounded.
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { Machines } from './machines/machines.ts';
import type { MachineRecord } from './machines/record.ts';

const lookEveryMs = 200;
const endMs = 5_000;

/** Whether the node is being drained. */
export interface Drain {
  readonly draining: boolean;
  /** Throws `unavailable` (reason NodeDraining) once the node takes no more machines. */
  checkOpen(): void;
}

export interface DrainDeps {
  machines: Pick<Machines, 'list' | 'destroy'>;
  clock: Clock;
  log: Logger;
}

export function makeDrain({ machines, clock, log }: DrainDeps): Drain & { run: (deadlineMs: number) => Promise<void> } {
  let draining = false;
  const left = () => machines.list().filter(isMissed).length;
  /** Their folders would stay on a node that may never have a flintlock again. */
  async function endSpare(): Promise<void> {
    const spare = machines.list().filter((machine) => isUp(machine) && !isMissed(machine));
    const ending = spare.map(({ uid, generation }) => machines.destroy(uid, generation));
    const ended = Promise.allSettled(ending).then((results) => {
      const failures = results.filter((result) => result.status === 'rejected').map(({ reason }) => reason);
      if (failures.length > 0) log.warn({ err: failures[0], machines: failures.length }, 'machines stay as folders');
    });
    await Promise.race([ended, clock.sleep(endMs)]);
  }

  return {
    get draining() {
      return draining;
    },
    checkOpen() {
      if (!draining) return;
      const hint = 'It is placed on another node.';
      throw new TvmError('unavailable', 'this node is being drained', { reason: 'NodeDraining', hint });
    },
    /** Ends what waits for nobody. Resolves when no machine is up that somebody uses, `deadlineMs` from now at most. */
    async run(deadlineMs) {
      draining = true;
      const lastMs = clock.now() + deadlineMs;
      if (left() > 0) log.info({ machines: left(), deadlineMs }, 'draining');
      while (left() > 0 && clock.now() < lastMs) await clock.sleep(lookEveryMs);
      if (left() > 0) log.warn({ machines: left() }, 'machines are still up: they end with this node');
      await endSpare();
    },
  };
}

/** Whether somebody loses something with the machine. One that waits for its first caller holds nothing of anybody. */
function isMissed(machine: MachineRecord): boolean {
  const { spec, used } = machine;
  return isUp(machine) && !spec.template && (used || !spec.standby);
}

function isUp({ state }: MachineRecord): boolean {
  return state !== 'stopped' && state !== 'failed';
}
