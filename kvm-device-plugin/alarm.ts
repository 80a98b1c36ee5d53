// A wait that something else can end. Invariant: a ring that comes while nobody waits ends the next wait.
import type { Clock } from '@tvm/kit/clock.ts';

export class Alarm {
  readonly #clock: Clock;
  #rung = false;
  #waiting: AbortController | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  ring(): void {
    this.#rung = true;
    this.#waiting?.abort();
  }

  /** Resolves when rung, after `ms`, or when `signal` aborts. One waits at a time. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#rung && !signal.aborted) {
      const waiting = new AbortController();
      const end = () => waiting.abort();
      this.#waiting = waiting;
      signal.addEventListener('abort', end);
      await this.#clock.sleep(ms, waiting.signal);
      signal.removeEventListener('abort', end);
      this.#waiting = undefined;
    }
    this.#rung = false;
  }
}
