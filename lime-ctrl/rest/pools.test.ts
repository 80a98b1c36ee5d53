import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PoolView } from '@tvm/api/rest/pools.ts';
import { eventually, postJson, startHarness } from '../testing/harness.ts';

const template = { spec: { image: 'tvm/python', cpu: 1, memory: 128 } };

test('declare, scale, list, delete', async () => {
  await using harness = await startHarness();
  const read = async (response: Response) => (await response.json()) as PoolView;
  const created = await harness.fetch('/v1/pools', postJson({ name: 'demo', spec: { minReady: 1, template } }));
  assert.equal(created.status, 201);
  const ready = async () => (await read(await harness.fetch('/v1/pools/demo'))).status.ready;
  await eventually(async () => (await ready()) === 1);
  const scaled = await harness.fetch('/v1/pools/demo/scale', postJson({ minReady: 3, maxReady: 4 }));
  assert.deepEqual([scaled.status, (await read(scaled)).spec.maxReady], [200, 4]);
  await eventually(async () => (await ready()) === 3);
  const list = (await (await harness.fetch('/v1/pools')).json()) as { items: PoolView[] };
  assert.deepEqual(
    list.items.map(({ name }) => name),
    ['demo'],
  );
  assert.equal((await harness.fetch('/v1/pools/demo', { method: 'DELETE' })).status, 202);
  await eventually(() => harness.flintlock.machines.size === 0);
  assert.equal((await harness.fetch('/v1/pools/demo')).status, 404);
});

test('bad requests', async () => {
  await using harness = await startHarness();
  const status = async (path: string, body: unknown) => (await harness.fetch(path, postJson(body))).status;
  assert.equal(await status('/v1/pools', { name: 'demo', spec: { template, colour: 'red' } }), 400);
  assert.equal(await status('/v1/pools', { name: 'demo', spec: { minReady: -1, template } }), 400);
  assert.equal(await status('/v1/pools', { spec: { template } }), 400);
  assert.equal(await status('/v1/pools/none/scale', { minReady: 2 }), 404);
  assert.equal(await status('/v1/pools/none/scale', { minReady: 2, maxReady: 1 }), 400);
});
