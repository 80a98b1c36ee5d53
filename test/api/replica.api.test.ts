// What controllers stand on: a list and the watch after it, replayed, give the state of the server, whatever happened meanwhile.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ApiObject } from '../api-client.ts';
import { bodyOf, configMap } from './objects.ts';
import { onEachTarget, type Scope } from './scope.ts';
import { WatchStream } from './watch-stream.ts';

interface Operation {
  kind: 'create' | 'change' | 'relabel' | 'delete' | 'sweep';
  name: string;
}

const operation: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constantFrom('create', 'create', 'change', 'change', 'relabel', 'delete', 'sweep'),
  name: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
});

/** Runs one operation; whether it fits the moment is the server's business. */
async function run(scope: Scope, { kind, name }: Operation, step: number): Promise<void> {
  const path = scope.path('configmaps', name);
  const labels = { replica: 'yes' };
  if (kind === 'create')
    await scope.api.create(scope.path('configmaps'), configMap(name, { step: `${step}` }, { labels }));
  if (kind === 'change') await scope.api.patch(path, 'merge', { data: { step: `${step}` } });
  if (kind === 'relabel')
    await scope.api.patch(path, 'merge', { metadata: { labels: { replica: step % 2 ? 'no' : 'yes' } } });
  if (kind === 'delete') await scope.api.delete(path);
  if (kind === 'sweep') await scope.api.delete(scope.path('configmaps'), undefined, { labelSelector: 'replica=no' });
}

/** Three workers share the operations; then the object `end` is made. */
async function work(scope: Scope, operations: Operation[]): Promise<void> {
  const share = async (worker: number) => {
    for (const [step, each] of operations.entries()) if (step % 3 === worker) await run(scope, each, step);
  };
  await Promise.all([0, 1, 2].map(share));
  bodyOf(await scope.api.create(scope.path('configmaps'), configMap('end', {}, { labels: { replica: 'yes' } })), 201);
}

/** Replays events onto a listed state until the object `end` appears; the versions of the events must ascend. */
async function replay(state: Map<string, ApiObject>, stream: WatchStream): Promise<void> {
  let last = 0n;
  for (let event = await stream.next(); event; event = await stream.next()) {
    const { type, object } = event;
    const version = BigInt(object.metadata.resourceVersion);
    assert.ok(version > last, `${type} ${object.metadata.name}: ${version} after ${last}`);
    last = version;
    if (object.metadata.name === 'end') return;
    if (type === 'ADDED') assert.ok(!state.has(object.metadata.name), `${object.metadata.name} was added twice`);
    else assert.ok(state.has(object.metadata.name), `${type} of ${object.metadata.name}, which is not there`);
    if (type === 'DELETED') state.delete(object.metadata.name);
    else state.set(object.metadata.name, object);
  }
  assert.fail('the watch ended early');
}

const byName = (list: ApiObject): Map<string, ApiObject> =>
  new Map(list.items.map((each: ApiObject) => [each.metadata.name, each]));
/** List items carry no kind, events do. */
const plain = ({ kind: _kind, apiVersion: _version, ...rest }: ApiObject) => rest;
const comparable = (state: Map<string, ApiObject>) =>
  [...state]
    .map(([name, object]) => [name, plain(object)])
    .toSorted((a, b) => String(a[0]).localeCompare(String(b[0])));

onEachTarget('list and watch', (scope) => {
  for (const labelSelector of [undefined, 'replica=yes']) {
    test(`a replica equals the server${labelSelector ? ', also behind a selector' : ''}`, async () => {
      const query: Record<string, string> = labelSelector ? { labelSelector } : {};
      const property = fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 30 }), async (operations) => {
        const list = bodyOf(await scope.api.get(scope.path('configmaps'), query));
        const state = byName(list);
        const { resourceVersion } = list.metadata;
        using stream = await WatchStream.open(scope.api, scope.path('configmaps'), { ...query, resourceVersion });
        await Promise.all([replay(state, stream), work(scope, operations)]);
        bodyOf(await scope.api.delete(scope.path('configmaps', 'end')));
        const now = byName(bodyOf(await scope.api.get(scope.path('configmaps'), query)));
        assert.deepEqual(comparable(state), comparable(now));
      });
      await fc.assert(property, { numRuns: 15, endOnFailure: true });
    });
  }
});
