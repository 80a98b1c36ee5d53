// Notices guests that no longer answer though their VMM runs: one that was halted, whose kernel hangs, whose agent is gone.
// Invariant: only a machine that should answer is asked, and only several questions in a row without an answer are an end.
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { ping } from '../guest/machine.ts';
import type { Machines } from './machines.ts';

/** A guest that is very busy may take long; together they are a minute and a half. */
const everyMs = 20_000;
const answerMs = 10_000;
const missesAllowed = 3;
/** Guests that are asked at once: an answer takes a little of a processor. */
const atOnce = 8;

export interface LivenessDeps {
  machines: Pick<Machines, 'list' | 'guest' | 'giveUp'>;
  clock: Clock;
  log: Logger;
}

/** Works until the signal aborts. */
export async function watchLiveness(deps: LivenessDeps, signal: AbortSignal): Promise<void> {
  const misses = new Map<string, number>();
  while (!signal.aborted) {
    await deps.clock.sleep(everyMs, signal);
    const asked = deps.machines.list().filter(({ state }) => state === 'running');
    for (const uid of misses.keys()) if (!asked.some((record) => record.uid === uid)) misses.delete(uid);
    for (let first = 0; first < asked.length && !signal.aborted; first += atOnce) {
      await Promise.all(asked.slice(first, first + atOnce).map(({ uid }) => ask(deps, uid, misses, signal)));
    }
  }
}

async function ask(deps: LivenessDeps, uid: string, misses: Map<string, number>, signal: AbortSignal): Promise<void> {
  const { machines, clock, log } = deps;
  const over = new AbortController();
  const deadline = AbortSignal.any([signal, over.signal]);
  void clock.sleep(answerMs, deadline).then(() => over.abort(new TvmError('deadline_exceeded', 'no answer')));
  try {
    await ping(await machines.guest(uid, deadline), deadline);
    misses.delete(uid);
  } catch (thrown) {
    // Paused, stopped or gone meanwhile: nothing was to be expected of it.
    const isRunning = machines.list().some((record) => record.uid === uid && record.state === 'running');
    if (signal.aborted || !isRunning) return;
    const missed = (misses.get(uid) ?? 0) + 1;
    log.warn({ machine: uid, missed, why: TvmError.from(thrown).message }, 'the guest did not answer');
    misses.set(uid, missed);
    if (missed >= missesAllowed) machines.giveUp(uid);
  } finally {
    over.abort();
  }
}
