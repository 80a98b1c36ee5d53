// The terminal in raw mode. Invariant: it is as it was after every end of the process but SIGKILL.
import type { ReadStream } from 'node:tty';

export function enterRawMode(stdin: ReadStream): Disposable {
  const before = stdin.isRaw;
  const restore = () => {
    if (stdin.isRaw !== before) stdin.setRawMode(before);
  };
  process.once('exit', restore);
  stdin.setRawMode(true);
  return {
    [Symbol.dispose]() {
      process.off('exit', restore);
      restore();
    },
  };
}
