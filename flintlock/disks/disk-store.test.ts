import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { makeDiskStore } from './disk-store.ts';
import type { DiskOwner } from './plan.ts';

let root: string;
describe('disk store', () => {
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'tvm-disks-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const mib = 1024 * 1024;
  const work = { name: 'work', sizeMiB: 16, mountPath: '/site', retainedAs: '' };
  const kept = { name: 'kept', sizeMiB: 16, mountPath: '/kept', retainedAs: 'ns/a/kept' };
  const owner = (uid: string, ...disks: (typeof work)[]): DiskOwner => ({ uid, spec: { disks } });

  async function magicOf(path: string): Promise<number> {
    await using file = await open(path);
    const { buffer } = await file.read(Buffer.alloc(2), 0, 2, 1024 + 56);
    return buffer.readUInt16LE();
  }

  test('a new disk is a sparse file with an empty ext4; it grows, and keeps what it has', async () => {
    const store = makeDiskStore(root);
    const a = owner('a', work);
    await store.prepare(a, undefined);
    const [{ path } = { path: '' }] = store.attachments(a);
    assert.equal(await magicOf(path), 0xef53);
    const { size, blocks, mode, ino } = statSync(path);
    assert.equal(size, 16 * mib);
    assert.ok(blocks * 512 < 8 * mib, `${blocks} blocks`);
    assert.equal(mode & 0o777, 0o600);
    await store.prepare(owner('a', { ...work, sizeMiB: 32 }), undefined);
    assert.equal(statSync(path).size, 32 * mib);
    await store.prepare(a, undefined);
    assert.deepEqual([statSync(path).size, statSync(path).ino], [32 * mib, ino]);
  });

  test('what goes with its machine goes, what is retained is found again until it is removed', async () => {
    const store = makeDiskStore(root);
    const a = owner('a', work, kept);
    await store.prepare(a, undefined);
    store.markUsed(a);
    assert.equal(store.areUsed(a), true);
    const path = store.attachments(a)[1]?.path;
    store.release(a);
    store.release(a);
    assert.equal(readdirSync(root).length, 1);
    const b = owner('b', kept);
    assert.equal(store.attachments(b)[0]?.path, path);
    await store.prepare(b, undefined);
    assert.equal(store.areUsed(a), false);
    assert.deepEqual(
      store.retained().map(({ key, sizeMiB }) => ({ key, sizeMiB })),
      [{ key: 'ns/a/kept', sizeMiB: 16 }],
    );
    store.release(b);
    store.remove('ns/a/kept');
    store.remove('ns/a/kept');
    assert.deepEqual(readdirSync(root), []);
  });

  test('a disk that is larger than is asked for stays as large, also as a copy', async () => {
    const store = makeDiskStore(root);
    const large = owner('a', { ...kept, sizeMiB: 32 });
    await store.prepare(large, undefined);
    store.markUsed(large);
    store.release(large);
    const small = owner('b', kept);
    await store.prepare(small, undefined);
    assert.equal(store.attachments(small)[0]?.sizeMiB, 32);
    const snapshot = mkdtempSync(join(tmpdir(), 'tvm-disks-snapshot-'));
    try {
      await store.save(small, snapshot);
      const child = owner('c', { ...kept, retainedAs: '' });
      await store.prepare(child, snapshot);
      store.markUsed(child);
      await store.prepare(owner('c', { ...kept, retainedAs: '', sizeMiB: 24 }), undefined);
      assert.equal(store.attachments(child)[0]?.sizeMiB, 32);
    } finally {
      rmSync(snapshot, { recursive: true, force: true });
    }
  });

  test('a disk grows at once, for the next flintlock too; what is smaller or not there yet stays as it is', async () => {
    const store = makeDiskStore(root);
    const a = owner('a', work);
    await store.prepare(a, undefined);
    const path = store.attachments(a)[0]?.path ?? '';
    store.grow(owner('a', { ...work, sizeMiB: 32 }, { ...kept, sizeMiB: 32 }));
    store.grow(owner('a', { ...work, sizeMiB: 24 }));
    assert.equal(statSync(path).size, 32 * mib);
    assert.deepEqual(
      makeDiskStore(root)
        .records()
        .map(({ sizeMiB }) => sizeMiB),
      [32],
    );
  });

  test('a retained disk that nothing ever used goes with its machine', async () => {
    const store = makeDiskStore(root);
    const a = owner('a', kept);
    await store.prepare(a, undefined);
    store.release(a);
    assert.deepEqual(readdirSync(root), []);
  });

  test('a start removes what is half-made and what belongs to nobody', async () => {
    const store = makeDiskStore(root);
    for (const uid of ['a', 'b']) await store.prepare(owner(uid, work), undefined);
    await store.prepare(owner('b', kept), undefined);
    store.markUsed(owner('b', kept));
    mkdirSync(join(root, '.new-x'));
    mkdirSync(join(root, 'damaged'));
    writeFileSync(join(root, 'damaged/disk.json'), '{');
    makeDiskStore(root).sweep(new Set(['a']));
    const left = makeDiskStore(root).records();
    assert.deepEqual(left.map(({ key, machineUid }) => [key, machineUid]).toSorted(), [
      ['machine/a/work', 'a'],
      ['retained/ns/a/kept', ''],
    ]);
    assert.equal(readdirSync(root).length, 2);
  });

  test('a copy in a snapshot becomes the disk of the machine that continues it', async () => {
    const store = makeDiskStore(root);
    const a = owner('a', work);
    await store.prepare(a, undefined);
    await using file = await open(store.attachments(a)[0]?.path ?? '', 'r+');
    await file.write('written', 8 * mib);
    const snapshot = mkdtempSync(join(tmpdir(), 'tvm-disks-snapshot-'));
    try {
      await store.save(a, snapshot);
      await file.write('changed', 8 * mib);
      const b = owner('b', work);
      await store.prepare(b, snapshot);
      await store.prepare(b, snapshot);
      await using copy = await open(store.attachments(b)[0]?.path ?? '');
      const { buffer } = await copy.read(Buffer.alloc(7), 0, 7, 8 * mib);
      assert.equal(buffer.toString(), 'written');
      store.markUsed(b);
      await assert.rejects(store.prepare(b, snapshot), { reason: 'DiskInUse' });
      await assert.rejects(store.prepare(owner('c', { ...work, name: 'other' }), snapshot));
      assert.equal(store.records().length, 2);
    } finally {
      rmSync(snapshot, { recursive: true, force: true });
    }
  });
});
