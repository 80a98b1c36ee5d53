// What goes on, on standard error: one line that is replaced on a terminal, plain lines elsewhere.
import type { Sink } from './sink.ts';

export interface Progress {
  say(message: string): void;
  /** Takes the line away, before other output. */
  clear(): Promise<void>;
}

export function makeProgress(sink: Sink): Progress {
  let shown = false;
  let last = '';
  // Messages are written in order; a reader of stderr that is gone must not end the run.
  let writes = Promise.resolve();
  const write = (text: string) => {
    writes = writes.then(() => sink.write(text)).catch(() => undefined);
  };
  return {
    say(message) {
      const line = printable(message);
      if (line === last) return;
      last = line;
      if (sink.isTerminal) {
        write(`\r\x1b[K${line.slice(0, Math.max(10, sink.columns - 1))}`);
        shown = true;
      } else write(`vvm: ${line}\n`);
    },
    async clear() {
      if (shown) write('\r\x1b[K');
      shown = false;
      await writes;
    },
  };
}

/** Text from elsewhere must not move the cursor or do worse. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ').trim();
}
