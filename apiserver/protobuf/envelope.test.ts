import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { StatusError } from '../status/status-error.ts';
import { decodeEnvelope } from './envelope.ts';

const bytes = (number: number, content: Buffer | string) => {
  const body = Buffer.from(content);
  assert.ok(body.length < 128);
  return Buffer.concat([Buffer.from([(number << 3) | 2, body.length]), body]);
};
const envelope = (apiVersion: string, kind: string, ...raw: Buffer[]) =>
  Buffer.concat([
    Buffer.from('k8s\0', 'latin1'),
    bytes(1, Buffer.concat([bytes(1, apiVersion), bytes(2, kind)])),
    bytes(2, Buffer.concat(raw)),
  ]);

test('a Secret as kubectl writes it', () => {
  const metadata = bytes(1, Buffer.concat([bytes(1, 'x'), bytes(11, Buffer.concat([bytes(1, 'a'), bytes(2, 'b')]))]));
  const data = bytes(2, Buffer.concat([bytes(1, 'key'), bytes(2, 'value')]));
  assert.deepEqual(decodeEnvelope(envelope('v1', 'Secret', metadata, data, Buffer.from([(5 << 3) | 0, 1]))), {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'x', labels: { a: 'b' } },
    data: { key: 'dmFsdWU=' },
    immutable: true,
  });
});

test('a kind that is not read as protobuf', () => assert.equal(decodeEnvelope(envelope('v1', 'Pod')), undefined));

test('any bytes are an object or a StatusError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (noise) => {
      try {
        decodeEnvelope(Buffer.concat([envelope('v1', 'Secret').subarray(0, 16), noise]));
      } catch (error) {
        assert.ok(error instanceof StatusError, String(error));
      }
    }),
  );
});
