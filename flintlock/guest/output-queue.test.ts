import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { FileInfoSchema } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import fc from 'fast-check';
import { isChunk, type OutputBody, OutputQueue } from './output-queue.ts';
import { maxChunkBytes } from './wire.ts';

function drain(queue: OutputQueue): OutputBody[] {
  return [
    ...(function* () {
      for (let body = queue.shift(); body; body = queue.shift()) yield body;
    })(),
  ];
}

function bytesOf(bodies: OutputBody[], kind: string): Buffer {
  return Buffer.concat(bodies.flatMap((body) => (isChunk(body) && body.case === kind ? [body.value] : [])));
}

const file = (path: string): OutputBody => ({ case: 'file', value: create(FileInfoSchema, { path }) });

test('chunks keep their bytes and their order within a kind, whatever is between', () => {
  const chunk = fc.record({
    case: fc.constantFrom('stdout' as const, 'stderr' as const),
    value: fc.uint8Array({ minLength: 1, maxLength: 40 }),
  });
  const step = fc.oneof(chunk, fc.constant('shift' as const), fc.constant('message' as const));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = new OutputQueue();
      const taken: OutputBody[] = [];
      const pushed: OutputBody[] = [];
      for (const item of steps) {
        if (item === 'shift') taken.push(...[queue.shift()].filter((body) => body !== undefined));
        else {
          const body = item === 'message' ? file('x') : item;
          pushed.push(body);
          assert.ok(queue.push(body, 10));
        }
      }
      taken.push(...drain(queue));
      for (const kind of ['stdout', 'stderr']) assert.deepEqual(bytesOf(taken, kind), bytesOf(pushed, kind));
    }),
  );
});

test('a flood of tiny chunks takes little more than its bytes', () => {
  const queue = new OutputQueue();
  for (let index = 0; index < 4 * maxChunkBytes; index++) {
    queue.push({ case: index % 2 ? 'stdout' : 'stderr', value: new Uint8Array([index]) }, 20);
  }
  assert.equal(drain(queue).length, 4);
});

test('other messages are bounded in number and in size', () => {
  const many = new OutputQueue();
  let count = 0;
  while (many.push(file('x'), 10)) count += 1;
  assert.equal(count, 16_384);
  const large = new OutputQueue();
  assert.ok(large.push(file('x'), 2 * 1024 * 1024));
  assert.ok(!large.push(file('x'), 1));
  large.shift();
  assert.ok(large.push(file('x'), 1));
});
