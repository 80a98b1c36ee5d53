// What controllers rely on from a Kubernetes API: one suite for the API in memory and for real servers.
import assert from 'node:assert/strict';
import { TvmError } from '@tvm/api/errors.ts';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import { type KubeClient, microVms, type WatchEvent } from './client.ts';

/** Name to test. Each uses objects of its own, named with `prefix`, in `namespace`, and removes them. */
export function kubeConformance(
  client: KubeClient,
  prefix: string,
  namespace = 'default',
): Record<string, () => Promise<void>> {
  const make = (name: string, finalizers: string[] = []): MicroVm => ({
    apiVersion,
    kind: 'MicroVM',
    metadata: { name: `${prefix}-${name}`, namespace, ...(finalizers.length > 0 && { finalizers }) },
    spec: { image: 'i', cpu: 1, memory: 64, desiredState: 'Running' },
  });
  const wanting = (vm: MicroVm, desiredState: 'Paused' | 'Stopped'): MicroVm => ({
    ...vm,
    spec: { ...vm.spec, desiredState },
  });
  const get = (name: string) => client.get(microVms, namespace, `${prefix}-${name}`);
  const remove = (name: string) => client.delete(microVms, namespace, `${prefix}-${name}`);

  return {
    async 'create gives uid, version, generation and time; a second one already_exists'() {
      const { metadata } = await client.create(microVms, make('create'));
      assert.ok(metadata.uid && metadata.resourceVersion && metadata.creationTimestamp);
      assert.equal(metadata.generation, 1);
      await fails(client.create(microVms, make('create')), 'already_exists');
      await remove('create');
      await fails(get('create'), 'not_found');
    },
    async 'a stale version is a conflict; the spec moves the generation, the status does not'() {
      const first = await client.create(microVms, make('update'));
      const second = await client.update(microVms, wanting(first, 'Paused'));
      assert.equal(second.metadata.generation, 2);
      await fails(client.update(microVms, wanting(first, 'Stopped')), 'aborted');
      await fails(client.updateStatus(microVms, { ...first, status: { phase: 'Running' } }), 'aborted');
      const third = await client.updateStatus(microVms, { ...second, status: { phase: 'Running' } });
      assert.equal(third.metadata.generation, 2);
      assert.equal(third.status?.phase, 'Running');
      await remove('update');
    },
    async 'update leaves the status alone, updateStatus the spec'() {
      const first = await client.create(microVms, make('apart'));
      const second = await client.update(microVms, { ...first, status: { phase: 'Failed' } });
      assert.equal(second.status?.phase, undefined);
      const third = await client.updateStatus(microVms, {
        ...wanting(second, 'Paused'),
        status: { phase: 'Creating' },
      });
      assert.equal(third.spec.desiredState, 'Running');
      await remove('apart');
    },
    async 'writing what is there already changes nothing'() {
      const first = await client.create(microVms, make('same'));
      const second = await client.update(microVms, first);
      assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion);
      await remove('same');
    },
    async 'a merge patch sets and removes'() {
      await client.create(microVms, make('patch'));
      const name = `${prefix}-patch`;
      const set = await client.patch(microVms, namespace, name, { metadata: { labels: { a: 'b' } } });
      assert.deepEqual(set.metadata.labels, { a: 'b' });
      const unset = await client.patch(microVms, namespace, name, { metadata: { labels: { a: null } } });
      assert.deepEqual(unset.metadata.labels ?? {}, {});
      await remove('patch');
    },
    async 'a finalizer holds the object back until it is removed'() {
      const finalizer = 'vvm.tvm.github.com/conformance';
      const { metadata } = await client.create(microVms, make('final', [finalizer]));
      await fails(client.delete(microVms, namespace, metadata.name, { uid: 'another' }), 'aborted');
      await client.delete(microVms, namespace, metadata.name, { uid: metadata.uid ?? '' });
      const held = await get('final');
      assert.ok(held.metadata.deletionTimestamp);
      await client.update(microVms, { ...held, metadata: { ...held.metadata, finalizers: [] } });
      await fails(get('final'), 'not_found');
    },
    async 'lists select by label; a watch from the version of the list gives what came after'() {
      const stop = new AbortController();
      const labelled = make('watch');
      labelled.metadata.labels = { suite: prefix };
      const created = await client.create(microVms, labelled);
      const { items, resourceVersion } = await client.list(microVms, { namespace, labelSelector: `suite=${prefix}` });
      assert.deepEqual(
        items.map(({ metadata }) => metadata.uid),
        [created.metadata.uid],
      );
      const events = client.watch(microVms, { namespace, resourceVersion, timeoutSeconds: 30, signal: stop.signal });
      const seen = collect(events, created.metadata.name, 2);
      await client.updateStatus(microVms, { ...created, status: { phase: 'Running' } });
      await remove('watch');
      assert.deepEqual(await seen, ['MODIFIED', 'DELETED']);
      stop.abort();
    },
  };
}

async function collect(events: AsyncIterable<WatchEvent<MicroVm>>, name: string, count: number): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of events) {
    if (event.type !== 'BOOKMARK' && event.object.metadata.name === name) seen.push(event.type);
    if (seen.length === count) break;
  }
  return seen;
}

async function fails(call: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(call, (error) => error instanceof TvmError && error.code === code);
}
