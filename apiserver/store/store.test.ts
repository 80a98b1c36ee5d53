import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import fc from 'fast-check';
import type { ApiObject } from '../objects/api-object.ts';
import type { Change } from './change.ts';
import { openDatabase } from './database.ts';
import { Store } from './store.ts';

const object = (name: string, value: number, more: object = {}): ApiObject => ({
  apiVersion: 'v1',
  kind: 'T',
  metadata: { name, namespace: 'n', uid: `uid-${name}`, ...more },
  value,
});

const key = (name: string) => ({ storage: 's', namespace: 'n', name });
const write = (store: Store, name: string, value: number) => {
  const live = store.get(key(name));
  return live ? store.replace('s', object(name, value), live) : store.insert('s', object(name, value));
};
const drop = (store: Store, name: string) => {
  const live = store.get(key(name));
  if (live) store.remove('s', live, live);
};
const valuesAt = (store: Store, revision: number) =>
  store.page({ storage: 's', revision }).objects.map((one) => [one.metadata.name, one.value]);

test('a change has one revision, is in the history, and listeners hear it', () => {
  using store = new Store(openDatabase(':memory:'));
  const heard: Change[] = [];
  const stop = store.listen((change) => heard.push(change));
  const first = write(store, 'a', 1);
  write(store, 'a', 2);
  drop(store, 'a');
  stop();
  write(store, 'a', 3);
  assert.deepEqual(
    heard.map(({ type, object: { metadata } }) => [type, metadata.resourceVersion]),
    [
      ['ADDED', '2'],
      ['MODIFIED', '3'],
      ['DELETED', '4'],
    ],
  );
  assert.equal(first.metadata.resourceVersion, '2');
  assert.deepEqual(
    store.changesAfter(2, 's', 10).map(({ type }) => type),
    ['MODIFIED', 'DELETED', 'ADDED'],
  );
  store.compact(3);
  assert.equal(store.compactedRevision, 3);
  assert.equal(store.changesAfter(0, 's', 10).length, 2);
});

test('what was committed is in the files at once, which are private and of one process', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tvm-store-'));
  try {
    const path = join(folder, 'state.db');
    using store = new Store(openDatabase(path));
    write(store, 'a', 1);
    for (const file of [path, `${path}-wal`]) {
      assert.equal(statSync(file).mode & 0o777, 0o600);
      copyFileSync(file, file.replace('state', 'crashed'));
    }
    assert.throws(
      () => openDatabase(path, 0),
      (error) => error instanceof TvmError && error.code === 'failed_precondition',
    );
    using again = new Store(openDatabase(join(folder, 'crashed.db')));
    assert.equal(again.get(key('a'))?.value, 1);
    assert.equal(again.revision, store.revision);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('dependents are found by their owner', () => {
  using store = new Store(openDatabase(':memory:'));
  const ownerReferences = [{ apiVersion: 'v1', kind: 'T', name: 'o', uid: 'owner' }];
  const child = store.insert('s', object('child', 1, { ownerReferences }));
  assert.deepEqual(
    store.dependentsOf('owner').map((one) => one.object),
    [child],
  );
  store.replace('s', object('child', 2), child);
  assert.deepEqual(store.dependentsOf('owner'), []);
});

const operation = fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.option(fc.integer({ min: 0, max: 99 })));
const run = (store: Store, operations: [string, number | null][]) => {
  for (const [name, value] of operations) {
    if (value === null) drop(store, name);
    else write(store, name, value);
  }
};

test('a list at a revision shows that moment, whatever happened since', () => {
  fc.assert(
    fc.property(fc.array(operation), fc.array(operation), (before, after) => {
      using store = new Store(openDatabase(':memory:'));
      run(store, before);
      const { revision } = store;
      const then = valuesAt(store, revision);
      run(store, after);
      assert.deepEqual(valuesAt(store, revision), then);
      assert.equal(store.countPage({ storage: 's', revision }), then.length);
    }),
    { numRuns: 50 },
  );
});

test('pages with writes in between are the whole list of the first moment', () => {
  fc.assert(
    fc.property(
      fc.array(operation),
      fc.array(fc.array(operation)),
      fc.integer({ min: 1, max: 3 }),
      (before, between, limit) => {
        using store = new Store(openDatabase(':memory:'));
        run(store, before);
        const { revision } = store;
        const then = valuesAt(store, revision);
        const seen: unknown[] = [];
        let after: { namespace: string; name: string } | undefined;
        for (let turn = 0; ; turn += 1) {
          const { objects, more } = store.page({ storage: 's', revision, after, limit });
          seen.push(...objects.map((one) => [one.metadata.name, one.value]));
          after = { namespace: 'n', name: objects.at(-1)?.metadata.name ?? '' };
          if (!more) break;
          run(store, between[turn] ?? []);
        }
        assert.deepEqual(seen, then);
      },
    ),
    { numRuns: 50 },
  );
});

test('the history is bounded in bytes, and its newest part stays', () => {
  const bytes = 100_000;
  using store = new Store(openDatabase(':memory:'), { bytes });
  const text = 'ä'.repeat(2000);
  let live = store.insert('s', object('a', 0, { text }));
  for (let value = 1; value < 200; value += 1) live = store.replace('s', object('a', value, { text }), live);
  const kept = store.changesAfter(store.compactedRevision, 's', 1000);
  const total = kept.reduce((sum, { object, previous }) => {
    return sum + Buffer.byteLength(JSON.stringify(object)) + Buffer.byteLength(JSON.stringify(previous ?? ''));
  }, 0);
  assert.ok(total <= bytes && total > bytes / 3, `${total} bytes`);
  assert.equal(kept.at(-1)?.revision, store.revision);
  assert.equal(kept[0]?.revision, store.compactedRevision + 1);
});
