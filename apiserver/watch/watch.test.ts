import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import type { ApiObject } from '../objects/api-object.ts';
import { makeRegistry } from '../resources/registry.ts';
import { StatusError } from '../status/status-error.ts';
import { openDatabase } from '../store/database.ts';
import { Store } from '../store/store.ts';
import { runWatch, type WatchOptions, type WatchSink } from './watch.ts';

const resource = makeRegistry().ofStorage('configmaps');
const target = { resource, namespace: '', name: '', subresource: '' };
const options: WatchOptions = {
  labels: [],
  fields: [],
  fromRevision: 1,
  bookmarks: false,
  sendInitialEvents: false,
  timeoutMs: 60_000,
  bookmarkIntervalMs: 60_000,
};

const configMap = (name: string, value: number): ApiObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'n', uid: `uid-${name}` },
  value,
});

function write(store: Store, name: string, value: number): void {
  const live = store.get({ storage: 'configmaps', namespace: 'n', name });
  if (!live) store.insert('configmaps', configMap(name, value));
  else if (value < 0) store.remove('configmaps', live, live);
  else store.replace('configmaps', configMap(name, value), live);
}

/** A client that takes `window` events before it must read. */
class Client implements WatchSink {
  readonly told: string[] = [];
  unread = 0;
  mostUnread = 0;
  ended = false;
  readonly window: number;
  readonly #gone = new AbortController();
  #waiting: (() => void)[] = [];

  constructor(window: number) {
    this.window = window;
  }

  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  send({ type, object }: { type: string; object: Record<string, unknown> }): void {
    const { name, resourceVersion } = (object as ApiObject).metadata;
    this.told.push(`${type} ${name ?? ''}@${resourceVersion}`);
    this.unread += 1;
    this.mostUnread = Math.max(this.mostUnread, this.unread);
  }

  isFull(): boolean {
    return this.unread >= this.window;
  }

  drained(signal: AbortSignal): Promise<void> {
    if (!this.isFull() || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  read(): void {
    this.unread = 0;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  leave(): void {
    this.#gone.abort();
    this.read();
  }

  end(): void {
    this.ended = true;
  }
}

/** What a watcher that reads everything at once is told. */
function historyOf(store: Store, fromRevision: number): string[] {
  return store
    .changesAfter(fromRevision, 'configmaps', 100_000)
    .map(({ type, name, revision }) => `${type} ${name}@${revision}`);
}

test('a client is told everything once and in order, however it reads, and no more than its window is kept', async () => {
  const step = fc.oneof(
    fc.record({ name: fc.constantFrom('a', 'b', 'c'), value: fc.integer({ min: -3, max: 9 }) }),
    fc.constantFrom('read' as const, 'turn' as const),
  );
  const scenario = fc.asyncProperty(fc.array(step), fc.integer({ min: 1, max: 4 }), async (steps, window) => {
    using store = new Store(openDatabase(':memory:'));
    const client = new Client(window);
    const watching = runWatch(store, target, options, client);
    for (const one of steps) {
      if (one === 'read') client.read();
      else if (one === 'turn') await turn();
      else write(store, one.name, one.value);
    }
    const wanted = historyOf(store, 1);
    for (let i = 0; i < 2 * wanted.length && client.told.length < wanted.length; i += 1) {
      client.read();
      await turn();
    }
    client.leave();
    await watching;
    assert.deepEqual(client.told, wanted);
    assert.ok(client.mostUnread <= window);
  });
  await fc.assert(scenario);
});

test('initial objects come page by page, then what changed meanwhile', async () => {
  using store = new Store(openDatabase(':memory:'));
  for (let i = 0; i < 450; i += 1) write(store, `n${String(i).padStart(3, '0')}`, i);
  const atStart = store.revision;
  const client = new Client(1);
  const watching = runWatch(store, target, { ...options, fromRevision: 0, sendInitialEvents: true }, client);
  write(store, 'n000', 1000);
  for (let i = 0; i < 1000 && client.told.length < 452; i += 1) {
    client.read();
    await turn();
  }
  assert.equal(client.told.length, 452);
  assert.equal(client.mostUnread, 1);
  assert.deepEqual(client.told.slice(450), [`BOOKMARK @${atStart}`, `MODIFIED n000@${atStart + 1}`]);
  client.leave();
  await watching;
});

test('a client that reads too late is told so', async () => {
  using store = new Store(openDatabase(':memory:'));
  const client = new Client(1);
  const watching = runWatch(store, target, options, client);
  for (let i = 0; i < 10; i += 1) write(store, 'a', i);
  await turn();
  store.compact(store.revision);
  client.read();
  await assert.rejects(watching, (error) => error instanceof StatusError && error.status.code === 410);
});

test('the time of a watch ends, with a bookmark of what was told', async () => {
  using store = new Store(openDatabase(':memory:'));
  const client = new Client(10);
  write(store, 'a', 1);
  await runWatch(store, target, { ...options, bookmarks: true, timeoutMs: 1 }, client);
  assert.deepEqual(client.told, ['ADDED a@2', 'BOOKMARK @2']);
  assert.ok(client.ended);
  write(store, 'a', 2);
  assert.equal(client.told.length, 2);
});

test('the time of a watch ends also for a client that never reads', async () => {
  using store = new Store(openDatabase(':memory:'));
  const client = new Client(1);
  for (let i = 0; i < 5; i += 1) write(store, 'a', i);
  await runWatch(store, target, { ...options, bookmarks: true, timeoutMs: 1 }, client);
  assert.deepEqual(client.told, ['ADDED a@2']);
  assert.ok(client.ended);
});

test('initial objects that are cut off end without a bookmark', async () => {
  using store = new Store(openDatabase(':memory:'));
  for (const name of ['a', 'b']) write(store, name, 1);
  const client = new Client(1);
  await runWatch(store, target, { ...options, fromRevision: 0, bookmarks: true, timeoutMs: 1 }, client);
  assert.deepEqual(client.told, ['ADDED a@2']);
});

test('a watch that fails does not disturb who writes', async () => {
  using store = new Store(openDatabase(':memory:'));
  const client = new Client(10);
  client.send = () => {
    throw new Error('no');
  };
  const watching = runWatch(store, target, options, client);
  await turn();
  write(store, 'a', 1);
  await assert.rejects(watching, /no/);
});
