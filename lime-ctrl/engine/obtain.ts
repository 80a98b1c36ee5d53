// A machine for one run: one that waits, or one on its way, or a new one. Invariants: no more are made at once than
// processors can make; a run that finds no room waits for the end of others, for a bounded time, and then is told so.
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { PlacedMachine } from '../flintlock/fleet.ts';
import { noRoom } from './maker.ts';
import type { Pool } from './pool.ts';
import type { Shape } from './shape.ts';

/** How long a run waits for its turn or for room. */
const patienceMs = 60_000;
const lookAgainMs = 250;

export interface ObtainDeps {
  pool: Pool;
  clock: Clock;
}

type Progress = { type: 'progress'; message: string };

/** Yields progress, then returns a live machine, up or on its way. Throws what making it throws, canceled on abort. */
export async function* obtainMachine(
  deps: ObtainDeps,
  shape: Shape,
  signal: AbortSignal,
): AsyncGenerator<Progress, PlacedMachine> {
  const { pool, clock } = deps;
  const endMs = clock.now() + patienceMs;
  let told = false;
  for (;;) {
    const claimed = pool.claim(shape);
    if (claimed) return claimed;
    if (pool.mayMake(shape)) {
      const made = await makeUnlessFull(pool, shape, clock.now() < endMs);
      if (made) return made;
    } else if (clock.now() >= endMs) throw tooMany();
    if (!told) yield { type: 'progress', message: 'waits for its turn: other machines are being made' };
    told = true;
    await poolChanged(deps, signal);
    if (signal.aborted) throw new TvmError('canceled', 'the caller went away');
  }
}

/** Undefined: there is no room, but the end of other machines will give some. */
async function makeUnlessFull(pool: Pool, shape: Shape, patient: boolean): Promise<PlacedMachine | undefined> {
  try {
    return await pool.make(shape);
  } catch (error) {
    if (patient && error instanceof TvmError && error.reason === noRoom && pool.hasMachines()) return undefined;
    throw error;
  }
}

/** Resolves soon after something changed, or a little later when nothing did. */
async function poolChanged({ pool, clock }: ObtainDeps, signal: AbortSignal): Promise<void> {
  const changed = new AbortController();
  // With a reason of its own: the default one is an error with a stack, too much for each of many that wait.
  const wake = () => changed.abort('changed');
  const stop = pool.subscribe(wake);
  signal.addEventListener('abort', wake, { once: true });
  await clock.sleep(lookAgainMs, changed.signal);
  signal.removeEventListener('abort', wake);
  stop();
}

function tooMany(): TvmError {
  return new TvmError('resource_exhausted', `no machine could be made within ${patienceMs / 1000} s: others are`, {
    reason: 'TooManyStarts',
    hint: 'Try again after the time in Retry-After.',
    retryAfterSeconds: 5,
  });
}
