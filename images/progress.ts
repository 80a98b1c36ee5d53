// Progress lines that say how long it has taken: `tvm/python: installing packages (34 s)`.
import type { Progress } from './contract.ts';

const repeatMs = 5000;

export interface TimedProgress extends Disposable {
  say: Progress;
}

/** Puts the subject before each message and the seconds since the start after it; repeats the last one while it takes long. */
export function timedProgress(subject: string, onProgress: Progress): TimedProgress {
  const began = performance.now();
  let current: string | undefined;
  const tell = () => {
    const seconds = Math.round((performance.now() - began) / 1000);
    if (current !== undefined) onProgress(`${subject}: ${current}${seconds > 0 ? ` (${seconds} s)` : ''}`);
  };
  const timer = setInterval(tell, repeatMs);
  timer.unref();
  return {
    say: (message) => {
      current = message;
      tell();
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
