import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readableBytes } from './bytes.ts';

test('bytes are told with the unit that fits, three digits at most that count', () => {
  const rows: [number, string][] = [
    [0, '0 B'],
    [900, '900 B'],
    [1536, '1.5 KiB'],
    [2 ** 20 - 1, '1 MiB'],
    [163_901_440, '156 MiB'],
    [5 * 2 ** 40, '5 TiB'],
  ];
  for (const [bytes, text] of rows) assert.equal(readableBytes(bytes), text);
  fc.assert(
    fc.property(fc.nat(2 ** 50), (bytes) => {
      assert.match(readableBytes(bytes), /^\d{1,4}(\.\d)? ([KMGT]i)?B$/);
    }),
  );
});
