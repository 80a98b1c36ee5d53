// The output of one cell among all that its context prints, told by marks. Invariant: what is held back is less than a mark.
const beginOf = (name: string) => Buffer.from(`\0${name}:begin\n`);
const endOf = (name: string) => Buffer.from(`\0${name}:end\n`);

export interface CellOutput {
  /** What of the bytes belongs to the cell. */
  push(bytes: Uint8Array): Buffer;
  readonly ended: boolean;
}

/** Of one of the two outputs. */
export function makeCellOutput(name: string): CellOutput {
  let held = Buffer.alloc(0);
  let state: 'before' | 'within' | 'ended' = 'before';

  return {
    push(bytes) {
      if (state === 'ended') return Buffer.alloc(0);
      held = Buffer.concat([held, bytes]);
      if (state === 'before') {
        const mark = beginOf(name);
        const at = held.indexOf(mark);
        if (at < 0) {
          held = held.subarray(Math.max(0, held.length - mark.length + 1));
          return Buffer.alloc(0);
        }
        state = 'within';
        held = held.subarray(at + mark.length);
      }
      const mark = endOf(name);
      const at = held.indexOf(mark);
      const cut = at >= 0 ? at : held.length - tailThatMayBe(held, mark);
      const own = held.subarray(0, cut);
      if (at >= 0) state = 'ended';
      held = held.subarray(cut);
      return own;
    },
    get ended() {
      return state === 'ended';
    },
  };
}

/** How many bytes at the end of the data may be the beginning of the mark. */
function tailThatMayBe(data: Buffer, mark: Buffer): number {
  for (let length = Math.min(mark.length - 1, data.length); length > 0; length -= 1) {
    if (data.subarray(data.length - length).equals(mark.subarray(0, length))) return length;
  }
  return 0;
}
