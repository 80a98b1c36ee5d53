// Output kept in memory for the JSON result. Invariant: 1 MiB at most, the rest is read and dropped.
const maxBytes = 1_048_576;

export interface Collector {
  take(bytes: Buffer): Promise<void>;
  text(): string;
  truncated(): boolean;
}

export function makeCollector(limitBytes = maxBytes): Collector {
  const parts: Buffer[] = [];
  let size = 0;
  let more = false;
  return {
    async take(bytes) {
      const room = bytes.subarray(0, limitBytes - size);
      if (room.length > 0) parts.push(Buffer.from(room));
      size += room.length;
      more ||= room.length < bytes.length;
    },
    text: () => Buffer.concat(parts).toString('utf8'),
    truncated: () => more,
  };
}
