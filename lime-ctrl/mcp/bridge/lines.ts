// Bytes into lines. Invariant: holds no more than `maxBytes` of a line that does not end.
import { TvmError } from '@tvm/api/errors.ts';

const newline = 10;

export interface Lines {
  /** The lines that are complete now, without their ends. Throws resource_exhausted when one is too long. */
  push(bytes: Uint8Array): string[];
}

export function makeLines(maxBytes: number): Lines {
  let parts: Uint8Array[] = [];
  let held = 0;

  function hold(bytes: Uint8Array): void {
    held += bytes.length;
    if (held > maxBytes)
      throw new TvmError('resource_exhausted', `a line of its output has more than ${maxBytes} bytes`);
    // Copied, so that a few bytes do not hold on to a whole receive buffer.
    if (bytes.length > 0) parts.push(bytes.slice());
  }

  return {
    push(bytes) {
      const lines: string[] = [];
      let from = 0;
      for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, from)) {
        hold(bytes.subarray(from, at));
        lines.push(Buffer.concat(parts).toString('utf8').trimEnd());
        parts = [];
        held = 0;
        from = at + 1;
      }
      hold(bytes.subarray(from));
      return lines;
    },
  };
}
