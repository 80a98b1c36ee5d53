import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, equals } from '@bufbuild/protobuf';
import { TvmError } from '@tvm/api/errors.ts';
import { type Frame, FrameSchema } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import fc from 'fast-check';
import { AnswerFinder, encodeFrame, FrameDecoder, makePreamble, maxPayloadBytes } from './wire.ts';

const nonce = new Uint8Array(16).fill(7);
const { answer } = makePreamble(nonce);

const frames = fc
  .record({ stream: fc.nat(), value: fc.uint8Array({ maxLength: 3000 }) })
  .map(({ stream, value }) =>
    create(FrameSchema, { stream, body: { case: 'output', value: { body: { case: 'stdout', value } } } }),
  );

/** `bytes` cut at arbitrary places. */
function cut(bytes: Buffer, places: number[]): Buffer[] {
  const sorted = places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b);
  return [0, ...sorted].map((start, index) => bytes.subarray(start, sorted[index] ?? bytes.length));
}

test('the answer is found in any garbage and any chunking, and what follows is kept', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.uint8Array({ maxLength: 50 }),
      fc.array(fc.nat()),
      (before, after, places) => {
        const finder = new AnswerFinder(answer);
        const found: Buffer[] = [];
        for (const piece of cut(Buffer.concat([before, answer, after]), places)) {
          if (found.length > 0) found.push(piece);
          else found.push(...[finder.push(piece)].filter((rest) => rest !== undefined));
        }
        assert.deepEqual(Buffer.concat(found), Buffer.from(after));
      },
    ),
  );
});

test('every frame is found in any chunking, with repeated answers between', () => {
  const items = fc.array(fc.oneof(frames, fc.constant('answer' as const)), { maxLength: 12 });
  fc.assert(
    fc.property(items, fc.array(fc.nat(), { maxLength: 40 }), (sent, places) => {
      const bytes = Buffer.concat(sent.map((item) => (item === 'answer' ? answer : encodeFrame(item))));
      const decoder = new FrameDecoder(answer, 12);
      const received = cut(bytes, places).flatMap((piece) => [...decoder.push(piece)]);
      const expected = sent.filter((item): item is Frame => item !== 'answer');
      assert.equal(received.length, expected.length);
      for (const [index, { frame }] of received.entries()) {
        assert.ok(equals(FrameSchema, frame, expected[index] as Frame));
      }
    }),
  );
});

test('arbitrary bytes are a typed error or nothing, never another throw', () => {
  fc.assert(
    fc.property(frames, fc.uint8Array({ maxLength: 100 }), fc.nat(), (frame, garbage, place) => {
      const bytes = Buffer.concat([encodeFrame(frame), encodeFrame(frame)]);
      Buffer.from(garbage).copy(bytes, place % bytes.length);
      try {
        for (const _ of new FrameDecoder(answer, 12).push(bytes));
      } catch (error) {
        assert.ok(error instanceof TvmError && error.code === 'data_loss', String(error));
      }
    }),
  );
});

test('an oversized frame is refused at its header, and one of ours before it is sent', () => {
  const header = Buffer.from('TVF1\0\0\0\0');
  header.writeUInt32LE(maxPayloadBytes + 1, 4);
  assert.throws(() => [...new FrameDecoder(answer, 12).push(header)], { code: 'data_loss' });
  const value = new Uint8Array(maxPayloadBytes);
  const body = { case: 'input', value: { body: { case: 'stdin', value } } } as const;
  assert.throws(() => encodeFrame(create(FrameSchema, { stream: 1, body })), { code: 'invalid_argument' });
});
