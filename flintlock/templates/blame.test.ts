import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '@tvm/kit/clock.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { makeSnapshotStore } from '../snapshots/snapshot-store.ts';
import { Templates } from './templates.ts';

const spec = {
  ...{ image: 'x', cpus: 1, memoryMiB: 64, command: [], args: [], hostname: '', snapshot: '' },
  ...{ interpreter: '', standby: true, template: true },
};

test('a template that never served is thrown away after one failure, one that did after three in a row', async () => {
  const root = await mkdtemp(join(tmpdir(), 'tvm-templates-'));
  try {
    const store = makeSnapshotStore(root);
    const log = makeLogger('flintlock', 'silent');
    const driver = { fingerprint: () => 'fake' };
    const templates = new Templates({ store, driver, clock: systemClock, log, enabled: true });
    const facts = { machineUid: 'a', generation: 1, labels: {}, spec, imageDigest: 'sha256:a', createdAtMs: 1 };
    const add = async (name: string) => {
      await store.add({ ...facts, name }, (folder) => writeFile(join(folder, 'memory'), 'm'));
    };
    await add('new');
    await templates.blame('new');
    assert.equal(await store.has('new'), false);
    await add('good');
    for (let round = 0; round < 5; round++) {
      templates.praise('good');
      for (const _ of [1, 2]) await templates.blame('good');
    }
    assert.equal(await store.has('good'), true);
    await templates.blame('good');
    assert.equal(await store.has('good'), false);
    await add('good');
    await templates.blame('good');
    assert.equal(await store.has('good'), false, 'one made anew has yet to serve');
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
