// The extended headers of tar entries (PAX, GNU), as far as they can harm. Pure.
import { TvmError } from '@tvm/api/errors.ts';

const maxPathBytes = 4096;
const maxNameBytes = 255;
/** Of all extended attributes of one file; ext4 has room for about as much. */
const maxAttributeBytes = 64 * 1024;
const attributePrefix = 'SCHILY.xattr.';

/** Throws `data_loss` for what may not be in a layer. `type`: x, g (PAX records), L, K (a long name or link). */
export function checkExtendedHeader(type: string, payload: Buffer): void {
  if (type === 'L' || type === 'K') checkPath(textUntilZero(payload));
  else checkPaxRecords(payload);
}

function checkPaxRecords(payload: Buffer): void {
  let attributeBytes = 0;
  for (const { key, value } of paxRecords(payload)) {
    // The size of a header must be the one that was counted with, and no file may be larger than its bytes in the stream.
    if (key === 'size') throw malformed('an extended header gives a file another size');
    if (key.startsWith('GNU.sparse.')) throw malformed('it holds a sparse file');
    if (key === 'path' || key === 'linkpath') checkPath(value);
    if (key.startsWith(attributePrefix)) attributeBytes += key.length + value.length;
  }
  if (attributeBytes > maxAttributeBytes) throw malformed('the extended attributes of a file are too large');
}

export function malformed(why: string): TvmError {
  return new TvmError('data_loss', `a layer of the image cannot be used: ${why}`, { reason: 'ImagePullFailed' });
}

/** Bytes stand for themselves: names need not be UTF-8. */
function* paxRecords(payload: Buffer): Generator<{ key: string; value: string }> {
  for (let rest = payload.toString('latin1'); rest !== ''; ) {
    const [prefix = '', digits = ''] = /^(\d{1,9}) /.exec(rest) ?? [];
    const length = Number(digits);
    const record = rest.slice(prefix.length, length - 1);
    const at = record.indexOf('=');
    if (length <= prefix.length || length > rest.length || at < 1 || rest[length - 1] !== '\n') {
      throw malformed('an extended header cannot be read');
    }
    yield { key: record.slice(0, at), value: record.slice(at + 1) };
    rest = rest.slice(length);
  }
}

function checkPath(path: string): void {
  if (path.includes('\0')) throw malformed('a name contains a zero byte');
  const longest = Math.max(...path.split('/').map((name) => name.length));
  if (path.length > maxPathBytes || longest > maxNameBytes) throw malformed('a name is too long');
}

function textUntilZero(payload: Buffer): string {
  const end = payload.indexOf(0);
  return payload.toString('latin1', 0, end < 0 ? payload.length : end);
}
