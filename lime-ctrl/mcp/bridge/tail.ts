// The end of what a program wrote for people, kept to explain why it ended. Invariant: at most `maxBytes`, printable.
export interface Tail {
  push(bytes: Uint8Array): void;
  text(): string;
}

export function makeTail(maxBytes: number): Tail {
  let kept = Buffer.alloc(0);
  return {
    push(bytes) {
      kept = Buffer.concat([kept, bytes.subarray(-maxBytes)]).subarray(-maxBytes);
    },
    text: () =>
      kept
        .toString('utf8')
        // biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal would obey
        .replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\ufffd]/g, '')
        .trim(),
  };
}
