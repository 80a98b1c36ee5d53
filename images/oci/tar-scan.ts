// Counts what a tar stream would put on disk, without writing it. Invariant: never below what unpacking takes, so that a
// bomb is refused before it is unpacked; whatever could make another reader see other entries than these is refused.
import { Writable } from 'node:stream';
import { TvmError } from '@tvm/api/errors.ts';
import { checkExtendedHeader, malformed } from './tar-headers.ts';

const blockBytes = 512;
const sizeOffset = 124;
const sizeLength = 12;
const typeOffset = 156;
const maxHeaderPayloadBytes = 1 << 20;

/** Counts over one stream or several in turn. */
export interface TarTotals {
  entries: number;
  bytes: number;
}

export interface TarBounds {
  maxEntries: number;
  maxBytes: number;
}

/** A sink for one tar stream that adds to `totals` and fails with `resource_exhausted` beyond the bounds. */
export function tarScanner(totals: TarTotals, bounds: TarBounds): Writable {
  let header = Buffer.alloc(0);
  let skipBytes = 0;
  let extended: { type: string; size: number; parts: Buffer[] } | undefined;

  function onHeader(block: Buffer): void {
    if (block.every((byte) => byte === 0)) return;
    const type = block.toString('latin1', typeOffset, typeOffset + 1);
    // What is no file has no content, whatever its header says: so reads umoci too.
    const size = '123456'.includes(type) ? 0 : sizeOf(block);
    // Sparse files and sizes in extended headers are how a small stream makes a large file; image builders write neither.
    if (type === 'S') throw malformed('it holds a sparse file');
    if ('xgLK'.includes(type) && size > maxHeaderPayloadBytes) throw malformed('an extended header is too long');
    totals.entries += 1;
    skipBytes = Math.ceil(size / blockBytes) * blockBytes;
    if ('xgLK'.includes(type) && size > 0) extended = { type, size, parts: [] };
    check(totals, bounds);
  }

  function onSkipped(part: Buffer): void {
    if (!extended) return;
    extended.parts.push(part);
    if (skipBytes > 0) return;
    checkExtendedHeader(extended.type, Buffer.concat(extended.parts).subarray(0, extended.size));
    extended = undefined;
  }

  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      try {
        totals.bytes += chunk.length;
        check(totals, bounds);
        let rest = chunk;
        while (rest.length > 0) {
          const skipped = Math.min(skipBytes, rest.length);
          skipBytes -= skipped;
          if (skipped > 0) onSkipped(rest.subarray(0, skipped));
          rest = rest.subarray(skipped);
          const taken = skipBytes > 0 ? 0 : Math.min(blockBytes - header.length, rest.length);
          header = Buffer.concat([header, rest.subarray(0, taken)]);
          rest = rest.subarray(taken);
          if (header.length < blockBytes) continue;
          const block = header;
          header = Buffer.alloc(0);
          onHeader(block);
        }
        done();
      } catch (error) {
        done(error as Error);
      }
    },
  });
}

function check({ entries, bytes }: TarTotals, { maxEntries, maxBytes }: TarBounds): void {
  if (entries > maxEntries) throw exceeded(`more than ${maxEntries} files`);
  if (bytes > maxBytes) throw exceeded(`more than ${maxBytes} bytes unpacked`);
}

/** Octal text, or base 256 when the first bit is set. */
function sizeOf(block: Buffer): number {
  const field = block.subarray(sizeOffset, sizeOffset + sizeLength);
  if ((block[sizeOffset] ?? 0) & 0x80) {
    const size = field.readBigUInt64BE(4);
    if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed('a file in it has an impossible size');
    return Number(size);
  }
  const text = field.toString('latin1').replaceAll('\0', ' ').trim();
  if (!/^[0-7]*$/.test(text)) throw malformed('a header has no valid size');
  return Number.parseInt(text || '0', 8);
}

function exceeded(what: string): TvmError {
  return new TvmError('resource_exhausted', `the image is too large: ${what}`, { reason: 'ImagePullFailed' });
}
