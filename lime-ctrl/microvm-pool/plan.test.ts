import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import type { MicroVmPool } from '@tvm/api/kinds/microvm-pool.ts';
import { conditionOf } from '@tvm/kit/kube/conditions.ts';
import fc from 'fast-check';
import { type Observed, planMicroVmPool, shareReady, targetOf } from './plan.ts';

const nowMs = Date.UTC(2030, 0, 1);

function pool(spec: Partial<MicroVmPool['spec']> = {}): MicroVmPool {
  return {
    apiVersion,
    kind: 'MicroVMPool',
    metadata: { name: 'demo', namespace: 'default', generation: 1 },
    spec: { minReady: 2, template: { spec: { image: 'tvm/python', cpu: 1, memory: 256 } }, ...spec },
  };
}

function observe(given: Partial<Observed> = {}, standing: Partial<Observed['standing']> = {}): Observed {
  return {
    pool: pool(),
    standing: { waiting: 0, making: 0, deferral: undefined, failure: undefined, ...standing },
    ready: 0,
    nodesReachable: true,
    nowMs,
    ...given,
  };
}

const reasonOf = (observed: Observed) => {
  const condition = conditionOf(planMicroVmPool(observed).status.conditions, 'Ready');
  return [condition?.status, condition?.reason];
};

test('what a pool declares: the interpreter is the image’s own unless said', () => {
  const { spec } = pool().spec.template;
  const shapeWith = (given: object) => targetOf(pool({ template: { spec: { ...spec, ...given } } })).shape.interpreter;
  assert.equal(shapeWith({}), 'python');
  assert.equal(shapeWith({ image: 'tvm/node' }), 'node');
  assert.equal(shapeWith({ image: 'ubuntu:20.04' }), '');
  assert.equal(shapeWith({ interpreter: 'none' }), '');
  assert.equal(shapeWith({ image: 'ubuntu:20.04', interpreter: 'python' }), 'python');
  assert.equal(targetOf(pool()).maxReady, 10);
  assert.equal(targetOf(pool({ maxReady: 3 })).maxReady, 3);
  assert.equal(targetOf(pool({ minReady: 5, maxReady: 3 })).maxReady, 5, 'scaled beyond its maximum');
});

test('Ready says why not', () => {
  const failure = { reason: 'ImagePullFailed', message: 'manifest unknown' };
  assert.deepEqual(reasonOf(observe({ ready: 2 })), ['True', 'Ready']);
  assert.deepEqual(reasonOf(observe({ ready: 1 })), ['False', 'Filling']);
  assert.deepEqual(reasonOf(observe({}, { deferral: 'room' })), ['False', 'NoRoom']);
  assert.deepEqual(reasonOf(observe({}, { deferral: 'failed', failure })), ['False', 'ImagePullFailed']);
  assert.deepEqual(reasonOf(observe({ nodesReachable: false })), ['False', 'NoNode']);
  assert.deepEqual(reasonOf(observe({ pool: pool({ minReady: 0 }) })), ['True', 'Ready']);
});

test('no change: the very same status and no event; claims are no events either', () => {
  const first = planMicroVmPool(observe({ ready: 2 }));
  assert.deepEqual(
    first.events.map(({ reason }) => reason),
    ['Scaled', 'Ready'],
  );
  const settled = { ...pool(), status: first.status };
  const again = planMicroVmPool(observe({ pool: settled, ready: 2 }));
  assert.equal(again.status, first.status);
  assert.deepEqual(again.events, []);
  const claimed = planMicroVmPool(observe({ pool: settled, ready: 1 }));
  assert.equal(claimed.status.ready, 1);
  assert.equal(conditionOf(claimed.status.conditions, 'Ready')?.reason, 'Refilling');
  const refilled = planMicroVmPool(observe({ pool: { ...pool(), status: claimed.status }, ready: 2 }));
  assert.deepEqual([claimed.events, refilled.events], [[], []]);
  const full = planMicroVmPool(observe({ pool: settled, ready: 1 }, { deferral: 'room' }));
  assert.deepEqual(
    full.events.map(({ type, reason }) => [type, reason]),
    [['Warning', 'NoRoom']],
  );
});

test('what waits is divided among pools of one shape: no machine counts twice, minimums first', () => {
  const anyTarget = fc
    .record({ minReady: fc.nat(5), spare: fc.nat(5) })
    .map(({ minReady, spare }) => ({ ...targetOf(pool()), minReady, maxReady: minReady + spare }));
  fc.assert(
    fc.property(fc.array(anyTarget, { minLength: 1, maxLength: 5 }), fc.nat(40), (targets, waiting) => {
      const shares = shareReady(targets, waiting);
      const sum = shares.reduce((total, share) => total + share, 0);
      const most = targets.reduce((total, { maxReady }) => total + maxReady, 0);
      assert.equal(sum, Math.min(waiting, most));
      const enough = waiting >= targets.reduce((total, { minReady }) => total + minReady, 0);
      for (const [index, { minReady, maxReady }] of targets.entries()) {
        const share = shares[index] ?? -1;
        assert.ok(share >= 0 && share <= maxReady && (!enough || share >= minReady));
      }
    }),
  );
});
