import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyOfShape, sameSize } from './engine/shape.ts';
import { networkKey, networkOf } from './network.ts';

const shape = { image: 'i', cpu: 1, memory: 256, interpreter: '' };

test('a node is asked for what was declared; none is no network at all', () => {
  assert.deepEqual([networkOf(undefined), networkOf({ egress: 'none' })], [{}, {}]);
  assert.deepEqual(
    networkOf({ egress: 'restricted', allow: [{ domain: 'a.b', ports: [443] }, { cidr: '1.2.3.0/24' }] }),
    {
      network: {
        egress: 'restricted',
        allow: [
          { cidr: '', domain: 'a.b', ports: [443] },
          { cidr: '1.2.3.0/24', domain: '', ports: [] },
        ],
      },
    },
  );
});

test('a machine is never given to a run with another policy', () => {
  const open = { ...shape, network: { egress: 'open' as const } };
  const listed = { ...shape, network: { egress: 'restricted' as const, allow: [{ cidr: '1.2.3.4/32' }] } };
  const other = { ...shape, network: { egress: 'restricted' as const, allow: [{ cidr: '1.2.3.5/32' }] } };
  const all = [shape, open, listed, other];
  assert.equal(new Set(all.map(keyOfShape)).size, all.length);
  for (const a of all) for (const b of all) assert.equal(sameSize(a, b), a === b);
  assert.equal(networkKey(networkOf(listed.network).network), networkKey(listed.network));
});
