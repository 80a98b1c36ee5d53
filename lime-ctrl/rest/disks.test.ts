import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DiskView } from '@tvm/api/rest/disks.ts';
import { eventually, postJson, startHarness } from '../testing/harness.ts';

const spec = { image: 'tvm/python', cpu: 1, memory: 128 };
const data = { name: 'data', sizeMB: 64, mountPath: '/data' };

test('the node is asked for the disks of a MicroVM, by a key of its own for those that outlive it', async () => {
  await using harness = await startHarness();
  const persistentStorage = [
    { ...data, retain: true },
    { ...data, name: 'work', mountPath: '/work' },
  ];
  const body = postJson({ name: 'box', spec: { ...spec, persistentStorage } });
  assert.equal((await harness.fetch('/v1/microvms', body)).status, 201);
  await eventually(() => harness.flintlock.machines.size === 1);
  const [machine] = harness.flintlock.machines.values();
  assert.deepEqual(
    machine?.spec?.disks.map((disk) => [disk.name, disk.sizeMib, disk.mountPath, disk.retainedAs]),
    [
      ['data', 64, '/data', 'default/box/data'],
      ['work', 64, '/work', ''],
    ],
  );
  const bad = postJson({ name: 'bad', spec: { ...spec, persistentStorage: [{ ...data, mountPath: 'data' }] } });
  assert.equal((await harness.fetch('/v1/microvms', bad)).status, 400);
});

test('retained disks of a namespace are listed and deleted, others are not seen', async () => {
  await using harness = await startHarness();
  for (const key of ['default/box/data', 'other/box/data']) harness.flintlock.disks.add(key);
  const list = async () => ((await (await harness.fetch('/v1/disks')).json()) as { items: DiskView[] }).items;
  const [disk, ...rest] = await list();
  assert.deepEqual([disk?.microVM, disk?.name, disk?.sizeMB, disk?.attached, rest], ['box', 'data', 64, false, []]);
  const remove = async (path: string) => (await harness.fetch(`/v1/disks/${path}`, { method: 'DELETE' })).status;
  assert.equal(await remove('box/none'), 404);
  assert.equal(await remove('other%2Fbox/data'), 404);
  assert.equal(await remove('box/data'), 204);
  assert.deepEqual([...harness.flintlock.disks], ['other/box/data']);
  assert.deepEqual(await list(), []);
});
