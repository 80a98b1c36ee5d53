import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { makeCapture } from './capture.ts';

test('all of what fits, and the beginning and the end of what does not', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '\n') })), (parts) => {
      const capture = makeCapture(20);
      for (const part of parts) capture.push(Buffer.from(part));
      const all = parts.join('');
      const { text, bytes, truncated } = capture.end();
      assert.equal(bytes, all.length);
      assert.equal(truncated, all.length > 20);
      if (!truncated) return assert.equal(text, all);
      assert.ok(text.startsWith(all.slice(0, 10)) && text.endsWith(all.slice(-10)));
      assert.match(text, new RegExp(`\\[${all.length - 20} bytes left out\\]`));
    }),
  );
});

test('bytes that were lost before are told of', () => {
  const capture = makeCapture(20);
  capture.push(Buffer.from('end'));
  assert.deepEqual(capture.end(7), { text: '[7 bytes before this are gone]\nend', bytes: 10, truncated: true });
});
