// What is kept of an output that may be endless: its beginning and its end. Invariant: never more bytes than the bound.
export interface Captured {
  /** All of it, or its beginning, a line that says what is missing, and its end. */
  text: string;
  bytes: number;
  truncated: boolean;
}

export interface Capture {
  push(bytes: Uint8Array): void;
  /** `skipped`: bytes that were lost before the first that came. */
  end(skipped?: number): Captured;
}

/** Keeps half of the bound of the beginning and half of the end. */
export function makeCapture(maxBytes: number): Capture {
  const half = Math.floor(maxBytes / 2);
  const head: Buffer[] = [];
  let headBytes = 0;
  let tail: Buffer[] = [];
  let tailBytes = 0;
  let total = 0;

  function trimTail(): void {
    if (tailBytes <= 2 * half) return;
    const joined = Buffer.concat(tail);
    tail = [joined.subarray(joined.length - half)];
    tailBytes = half;
  }

  return {
    push(given) {
      total += given.length;
      const bytes = Buffer.from(given);
      const first = bytes.subarray(0, half - headBytes);
      if (first.length > 0) head.push(first);
      headBytes += first.length;
      const rest = bytes.subarray(first.length);
      if (rest.length === 0) return;
      tail.push(rest);
      tailBytes += rest.length;
      trimTail();
    },
    end(skipped = 0) {
      const start = Buffer.concat(head);
      const all = Buffer.concat(tail);
      const end = all.subarray(Math.max(0, all.length - half));
      const missing = total - start.length - end.length;
      const bytes = total + skipped;
      if (missing + skipped === 0) return { text: Buffer.concat([start, end]).toString(), bytes, truncated: false };
      const lost = skipped > 0 ? `[${skipped} bytes before this are gone]\n` : '';
      const gap = missing > 0 ? `\n[${missing} bytes left out]\n` : '';
      return { text: `${lost}${start.toString()}${gap}${end.toString()}`, bytes, truncated: true };
    },
  };
}
