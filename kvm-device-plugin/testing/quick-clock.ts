// The system's clock, fifty times as fast: back-offs and looks from time to time take a fiftieth of their time.
import { type Clock, systemClock } from '@tvm/kit/clock.ts';

const speed = 50;
const startedMs = Date.now();

export const quickClock: Clock = {
  now: () => startedMs + performance.now() * speed,
  sleep: (ms, signal) => systemClock.sleep(ms / speed, signal),
};
