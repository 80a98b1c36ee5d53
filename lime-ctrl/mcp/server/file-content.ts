// Bytes of a file as a client can take them: text where they are text, else base64; pictures as pictures. Pure.
import { extname } from 'node:path';

const types: Record<string, string> = {
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
  '.svg': 'image/svg+xml',
  '.pdf': 'application/pdf',
  '.json': 'application/json',
  '.md': 'text/markdown',
  '.html': 'text/html',
  '.csv': 'text/csv',
  '.js': 'text/javascript',
  '.py': 'text/x-python',
};
const shownImages = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);

export function isShownImage(mimeType: string): boolean {
  return shownImages.has(mimeType);
}

export function mimeTypeOf(path: string, isText: boolean): string {
  return types[extname(path).toLowerCase()] ?? (isText ? 'text/plain' : 'application/octet-stream');
}

/** The text, or undefined when it is none. Characters that are cut at either end of the part are left out. */
export function textOf(bytes: Buffer): string | undefined {
  if (bytes.includes(0)) return undefined;
  const part = bytes.subarray(cutAtStart(bytes), bytes.length - cutAtEnd(bytes));
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(part);
  } catch {
    return undefined;
  }
}

const isContinuation = (byte: number | undefined) => byte !== undefined && (byte & 0xc0) === 0x80;

function cutAtStart(bytes: Buffer): number {
  let at = 0;
  while (at < 3 && isContinuation(bytes[at])) at += 1;
  return at;
}

/** How many bytes at the end begin a character that is not complete. */
export function cutAtEnd(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(4, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (isContinuation(byte)) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}
