// An execute by a client that obeys Retry-After. Invariant: only 429 is tried again.
import { setTimeout as sleep } from 'node:timers/promises';
import { TvmError } from '@tvm/api/errors.ts';
import type { RestClient } from '../product/rest-client.ts';
import { expectOutput, printNumber } from '../snippet.ts';

export interface Patient {
  /** From the first request to the result. */
  ms: number;
  /** How often the server said to come again. */
  refusals: number;
  start: string;
}

const defaultWaitSeconds = 1;
const maxRefusals = 100;

/** Runs code that prints the number, and checks that it did. Throws what the server says, except that it is busy. */
export async function executePatiently(
  rest: Pick<RestClient, 'execute'>,
  number: number,
  pause: (ms: number) => Promise<unknown> = sleep,
): Promise<Patient> {
  const began = performance.now();
  const snippet = printNumber(number);
  for (let refusals = 0; ; refusals += 1) {
    try {
      const { stdout, machine } = await rest.execute({ code: snippet.code });
      expectOutput('execute', snippet, stdout);
      return { ms: performance.now() - began, refusals, start: machine.start ?? '' };
    } catch (error) {
      const busy = error instanceof TvmError && error.code === 'resource_exhausted' && refusals < maxRefusals;
      if (!busy) throw error;
      await pause((error.retryAfterSeconds ?? defaultWaitSeconds) * 1000);
    }
  }
}
