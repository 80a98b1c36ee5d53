// Waits until a machine is up, telling what is being done meanwhile.

import { type ErrorCode, errorCodes, TvmError } from '@tvm/api/errors.ts';
import { type Machine, MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Fleet } from '../flintlock/fleet.ts';
import { isUp } from './inventory.ts';

export interface BootDeps {
  fleet: Fleet;
  clock: Clock;
  /** Pulling an image may take minutes. */
  bootDeadlineMs: number;
}

/** Yields progress, then returns the machine that runs, or waits paused. Throws the machine's own failure, or deadline_exceeded. */
export async function* waitForBoot(
  { fleet, clock, bootDeadlineMs }: BootDeps,
  uid: string,
  signal: AbortSignal,
): AsyncGenerator<{ type: 'progress'; message: string }, Machine> {
  let changed = Promise.withResolvers<void>();
  const stop = fleet.subscribe((event) => {
    if (event.type === 'machine' && event.uid === uid) changed.resolve();
  });
  const ended = new AbortController();
  const late = clock.sleep(bootDeadlineMs, ended.signal);
  const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  const deadlineMs = clock.now() + bootDeadlineMs;
  let told = '';
  try {
    for (;;) {
      const machine = fleet.machine(uid)?.machine;
      if (machine && isUp(machine)) return machine;
      if (!machine || machine.state !== MachineState.CREATING) throw machineError(uid, machine);
      if (machine.message !== '' && machine.message !== told) {
        told = machine.message;
        yield { type: 'progress', message: told };
      }
      if (signal.aborted) throw new TvmError('canceled', 'the caller went away');
      if (clock.now() >= deadlineMs) throw tooLate(uid, bootDeadlineMs);
      await Promise.race([changed.promise, late, aborted]);
      changed = Promise.withResolvers<void>();
    }
  } finally {
    ended.abort();
    stop();
  }
}

/** Why the machine is not running, in the node's words. */
export function machineError(uid: string, machine: Machine | undefined): TvmError {
  const object = `machine/${uid}`;
  const hint = 'Run it again: each run gets a new machine.';
  if (!machine) return new TvmError('unavailable', 'the machine is gone', { object, hint, reason: 'MachineLost' });
  const code = errorCodes.find((each): each is ErrorCode => each === machine.errorCode) ?? 'unavailable';
  const reason = machine.reason || 'MachineEnded';
  // Where the image is what fails, another machine would fare no better.
  const lost = code === 'unavailable' && !reason.startsWith('Image');
  return new TvmError(code, machine.message || `the machine ended: ${reason}`, {
    object,
    reason,
    ...(lost && { hint }),
  });
}

function tooLate(uid: string, afterMs: number): TvmError {
  return new TvmError('deadline_exceeded', `the machine did not come up within ${afterMs / 1000} s`, {
    object: `machine/${uid}`,
    reason: 'BootTimeout',
  });
}
