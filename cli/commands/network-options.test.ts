import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkOf } from './network-options.ts';

test('what may be reached is names and addresses, with ports', () => {
  assert.equal(networkOf({}), undefined);
  assert.deepEqual(networkOf({ egress: 'open' }), { egress: 'open' });
  assert.deepEqual(networkOf({ allow: ['*.Example.com:443,80', '203.0.113.0/24', '10.0.0.1:22'] }), {
    egress: 'restricted',
    allow: [
      { domain: '*.example.com', ports: [443, 80] },
      { cidr: '203.0.113.0/24' },
      { cidr: '10.0.0.1/32', ports: [22] },
    ],
  });
});

test('what makes no sense is refused', () => {
  for (const options of [
    { egress: 'some' },
    { egress: 'open', allow: ['a.b'] },
    { allow: ['a.b:x'] },
    { allow: ['::1'] },
  ]) {
    assert.throws(() => networkOf(options), /--egress|nothing to allow/);
  }
});
