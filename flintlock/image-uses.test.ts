import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeLogger } from '@tvm/kit/log.ts';
import { watchImageUses } from './image-uses.ts';
import { ChangeFeed } from './machines/change-feed.ts';
import type { MachineRecord } from './machines/record.ts';

test('the store hears of every image that machines, snapshots and templates need, once, and again after it failed', async () => {
  const feed = new ChangeFeed();
  let records = [
    { uid: 'a', imageDigest: 'sha256:a' },
    { uid: 'b', imageDigest: '' },
  ] as MachineRecord[];
  const machines = { list: () => records, watch: (signal: AbortSignal) => feed.watch(() => records, signal) };
  const store = (imageDigest: string) => ({ list: async () => [{ imageDigest }] }) as never;
  const told: string[][] = [];
  let heard = Promise.withResolvers<void>();
  let fails = true;
  const images = {
    async declareUses(_: string, digests: Iterable<string>) {
      if (fails) {
        fails = false;
        throw new Error('the disk is full');
      }
      told.push([...digests]);
      heard.resolve();
    },
  };
  const stop = new AbortController();
  const clock = { now: Date.now, sleep: () => new Promise<void>((resolve) => setImmediate(resolve)) };
  const stores = [store('sha256:snapshot'), store('sha256:a')];
  const log = makeLogger('flintlock', 'silent');
  const work = watchImageUses({ machines, stores, images, stateFolder: '/x', clock, log }, stop.signal);
  await heard.promise;
  heard = Promise.withResolvers<void>();
  for (const record of records) feed.publish({ kind: 'changed', record });
  const added = { uid: 'c', imageDigest: 'sha256:c' } as MachineRecord;
  records = [...records, added];
  feed.publish({ kind: 'changed', record: added });
  await heard.promise;
  stop.abort();
  await work;
  assert.deepEqual(told, [
    ['sha256:a', 'sha256:snapshot'],
    ['sha256:a', 'sha256:c', 'sha256:snapshot'],
  ]);
});
