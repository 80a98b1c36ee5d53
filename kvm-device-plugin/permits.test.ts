import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { allocate, listPermits, permitIds } from './permits.ts';

const ids = permitIds(4);
const devices = [{ containerPath: '/dev/kvm', hostPath: '/dev/kvm', permissions: 'rw' }];

test('permits are as healthy as the device', () => {
  const healthOf = (list: { health: string }[]) => [...new Set(list.map(({ health }) => health))];
  assert.deepEqual(ids, ['kvm-0', 'kvm-1', 'kvm-2', 'kvm-3']);
  assert.deepEqual(healthOf(listPermits(ids, { healthy: true })), ['Healthy']);
  assert.deepEqual(healthOf(listPermits(ids, { healthy: false, reason: 'gone' })), ['Unhealthy']);
});

test('each container of a request gets all devices, in the order of the request', () => {
  const containers = fc.array(
    fc.record({ deviceIds: fc.array(fc.constantFrom(...ids), { minLength: 1, maxLength: 6 }) }),
  );
  fc.assert(
    fc.property(containers, (request) => {
      const answer = allocate(ids, request, devices);
      assert.deepEqual(
        answer,
        request.map(() => ({ devices })),
      );
    }),
  );
});

test('an id that was never offered is refused, whatever comes with it', () => {
  const strange = fc.string().filter((id) => !ids.includes(id));
  fc.assert(
    fc.property(strange, fc.array(fc.constantFrom(...ids)), (unknown, known) => {
      const request = [{ deviceIds: known.concat(ids) }, { deviceIds: [...known, unknown] }];
      assert.throws(() => allocate(ids, request, devices), { code: 'not_found' });
    }),
  );
});

test('a refusal stays short, however much was asked for', () => {
  const request = [{ deviceIds: Array.from({ length: 1000 }, () => 'x'.repeat(1000)) }];
  assert.throws(
    () => allocate(ids, request, devices),
    (error: Error) => error.message.length < 300,
  );
});

test('a container that asks for nothing is refused', () => {
  assert.throws(() => allocate(ids, [{ deviceIds: [] }], devices), { code: 'invalid_argument' });
});
