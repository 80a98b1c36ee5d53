import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { makeSnapshotStore } from '../snapshots/snapshot-store.ts';
import { openHarness, smallSpec, untilState } from '../testing/flintlock-harness.ts';
import { savedDiskPath, savedDisksFolder } from '../vmm/driver.ts';
import { makeDiskStore } from './disk-store.ts';
import { makeDiskRoom } from './room.ts';

const mib = 1024 * 1024;
const disk = { name: 'work', sizeMiB: 64, mountPath: '/site', retainedAs: '' };
const a = { uid: 'a', spec: { disks: [disk] } };
const b = { uid: 'b', spec: { disks: [{ ...disk, sizeMiB: 16 }] } };

let root: string;

const facts = {
  ...{ machineUid: 'a', generation: 1, labels: {}, imageDigest: '', createdAtMs: 0 },
  spec: {
    ...{ image: 'x', cpus: 1, memoryMiB: 64, command: [], args: [], hostname: '', snapshot: '', interpreter: '' },
    ...{ standby: false, template: false },
  },
};

/** As a flintlock that has just started finds the node. */
async function openNode(limitMiB: number) {
  const snapshots = makeSnapshotStore(join(root, 'snapshots'));
  await snapshots.sweep();
  const disks = makeDiskStore(join(root, 'disks'));
  return { snapshots, disks, room: makeDiskRoom({ disks, snapshots, owners: () => [a], limitMiB }) };
}

async function fill(folder: string, sizeMiB: number): Promise<void> {
  await mkdir(join(folder, savedDisksFolder));
  await writeFile(savedDiskPath(folder, 'work'), Buffer.alloc(sizeMiB * mib, 1));
  await truncate(savedDiskPath(folder, 'work'), disk.sizeMiB * mib);
}

describe('the room for disks of a node', () => {
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'tvm-room-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  test('copies in snapshots count with what they take up, for the next flintlock too, until they are removed', async () => {
    const first = await openNode(100);
    first.room.check(b);
    await first.snapshots.add({ ...facts, name: 'moment' }, (folder) => fill(folder, 30));
    for (const { room } of [first, await openNode(100)]) {
      assert.throws(() => room.check(b), {
        reason: 'NoDiskRoom',
        message: /16 MiB of disks are asked for, [56] MiB are free/,
      });
    }
    const { snapshots, room } = await openNode(100);
    await snapshots.remove('moment');
    room.check(b);
  });

  test('what a killed flintlock left half-copied is gone and counts for nothing', async () => {
    await openNode(100);
    const half = join(root, 'snapshots/.new-moment');
    await mkdir(half);
    await fill(half, 30);
    const { room } = await openNode(100);
    assert.equal(existsSync(half), false);
    room.check(b);
  });

  test("room that is kept for copies is nobody else's, and is free again when they fail", async () => {
    const { disks, room } = await openNode(100);
    await disks.prepare(a, undefined);
    const path = disks.attachments(a)[0]?.path ?? '';
    writeFileSync(path, Buffer.alloc(20 * mib, 1));
    const kept = room.keep('one', a);
    room.keep('one', a);
    assert.throws(() => room.keep('two', a), {
      message: /a snapshot needs 20 MiB for copies of disks, 16 MiB are free/,
    });
    assert.throws(() => room.check({ ...b, spec: { disks: [{ ...disk, sizeMiB: 17 }] } }), { reason: 'NoDiskRoom' });
    writeFileSync(path, Buffer.alloc(40 * mib, 1));
    assert.throws(() => kept.fit(), { reason: 'NoDiskRoom' });
    kept[Symbol.dispose]();
    writeFileSync(path, Buffer.alloc(20 * mib, 1));
    room.keep('two', a)[Symbol.dispose]();
  });

  test('a snapshot without room is refused with how much is free, and its machine never stops; one that fits says its size', async (t) => {
    await using harness = await openHarness({ diskMiB: 80 });
    const { client, host, home } = harness;
    const disks = [{ name: 'work', sizeMib: 64, mountPath: '/site' }];
    await client.createMachine({ uid: 'a', spec: { ...smallSpec, disks } });
    await untilState(client, 'a', MachineState.RUNNING);
    const [folder = ''] = readdirSync(join(home, 'flintlock/disks'));
    const content = join(home, 'flintlock/disks', folder, 'disk.raw');
    writeFileSync(content, Buffer.alloc(20 * mib, 1));
    const [vm] = host.vms.values();
    assert.ok(vm);
    const pause = t.mock.method(vm, 'pause');
    const refused = { rawMessage: /a snapshot needs 20 MiB for copies of disks, 16 MiB are free on this node/ };
    await assert.rejects(client.snapshotMachine({ uid: 'a', name: 'large' }), refused);
    assert.equal(pause.mock.callCount(), 0);
    assert.deepEqual(readdirSync(join(home, 'flintlock/snapshots')), []);
    writeFileSync(content, Buffer.alloc(10 * mib, 1));
    const { sizeBytes } = await client.snapshotMachine({ uid: 'a', name: 'small' });
    assert.ok(sizeBytes >= 10n * BigInt(mib), String(sizeBytes));
    await assert.rejects(client.snapshotMachine({ uid: 'a', name: 'second' }), {
      rawMessage: /NoDiskRoom|[56] MiB are free/,
    });
    await assert.rejects(client.createMachine({ uid: 'b', spec: { snapshot: 'small' } }), {
      rawMessage: /64 MiB of disks/,
    });
    await harness.restart();
    await assert.rejects(harness.client.snapshotMachine({ uid: 'a', name: 'second' }), {
      rawMessage: /[56] MiB are free/,
    });
    await harness.client.deleteSnapshot({ name: 'small' });
    await harness.client.snapshotMachine({ uid: 'a', name: 'second' });
  });
});
