// Writes tar archives for tests, hostile ones too: names and links go in as they are given.

export interface TarEntry {
  name: string | Uint8Array;
  /** `0` file, `1` hard link, `2` symbolic link, `3` character device, `5` folder, `S` sparse file. */
  type?: string;
  content?: string | Uint8Array;
  linkName?: string;
  mode?: number;
  /** Instead of the content's length. */
  claimedSize?: number;
  device?: { major: number; minor: number };
}

const blockBytes = 512;

/** The header before an entry that says more of it than fits there. */
export function paxHeader(records: Record<string, string | Uint8Array>): TarEntry {
  const content = Object.entries(records).map(([key, value]) => {
    const body = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
    let length = body.length + 1;
    while (String(length).length + body.length !== length) length += 1;
    return Buffer.concat([Buffer.from(String(length)), body]);
  });
  return { name: 'pax', type: 'x', content: Buffer.concat(content) };
}

export function tarArchive(entries: TarEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(entryBlocks), Buffer.alloc(2 * blockBytes)]);
}

function entryBlocks(entry: TarEntry): Buffer[] {
  const content = Buffer.from(entry.content ?? '');
  const header = Buffer.alloc(blockBytes);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  Buffer.from(entry.name).copy(header, 0, 0, 100);
  header.write(octal(entry.mode ?? (entry.type === '5' ? 0o755 : 0o644), 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(entry.claimedSize ?? content.length, 11), 124);
  header.write(octal(1_700_000_000, 11), 136);
  header.write(' '.repeat(8), 148);
  header.write(entry.type ?? '0', 156);
  header.write(entry.linkName ?? '', 157, 100);
  header.write('ustar\x0000', 257);
  header.write(octal(entry.device?.major ?? 0, 7), 329);
  header.write(octal(entry.device?.minor ?? 0, 7), 337);
  const checksum = header.reduce((sum, byte) => sum + byte, 0);
  header.write(`${octal(checksum, 6)} `, 148);
  const padding = Buffer.alloc((blockBytes - (content.length % blockBytes)) % blockBytes);
  return [header, content, padding];
}
