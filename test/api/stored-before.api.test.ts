// Objects that were stored under a looser schema: what is wrong with them already is not held against an update, so that
// they can be finished, repaired and deleted. The embedded server's own test of this is apiserver/objects/ratchet.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiObject } from '../api-client.ts';
import { assertFailure, bodyOf, eventually, microVm } from './objects.ts';
import { onEachTarget, type Scope } from './scope.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');

/** Changes the stored object in etcd, past all validation. */
async function rewrite(scope: Scope, name: string, change: (object: ApiObject) => void): Promise<void> {
  const ask = async (method: string, body: object): Promise<ApiObject> => {
    const answer = await fetch(`${scope.server.etcdUrl}/v3/kv/${method}`, {
      method: 'POST',
      body: JSON.stringify(body),
    });
    assert.equal(answer.status, 200);
    return answer.json();
  };
  const key = base64(`/registry/vvm.tvm.github.com/microvms/${scope.namespace}/${name}`);
  const { kvs } = await ask('range', { key });
  const object = JSON.parse(Buffer.from(kvs[0].value, 'base64').toString('utf8'));
  change(object);
  await ask('put', { key, value: base64(JSON.stringify(object)) });
  await eventually('the changed object in the cache', async () => {
    const { items } = bodyOf(await scope.api.get(scope.path('microvms'), { resourceVersion: '0' }));
    return items.some((each: ApiObject) => each.metadata.name === name && each.spec.cpu === object.spec.cpu);
  });
}

onEachTarget('objects stored before', (scope) => {
  const make = async (name: string) => {
    const object = microVm(name, { metadata: { finalizers: ['vvm.tvm.github.com/machine'] } });
    bodyOf(await scope.api.create(scope.path('microvms'), object), 201);
    await rewrite(scope, name, ({ spec }) => {
      Object.assign(spec, { cpu: 99, image: 'two words', onIdle: 'Stop', ttlSeconds: -1 });
    });
    return scope.path('microvms', name);
  };

  test('they get a status, are repaired, and end', async () => {
    if (scope.target === 'embedded') return;
    const path = await make('old');
    bodyOf(await scope.api.patch(`${path}/status`, 'merge', { status: { phase: 'Failed' } }));
    bodyOf(await scope.api.patch(path, 'merge', { metadata: { labels: { a: 'b' } } }));
    assertFailure(await scope.api.patch(path, 'merge', { spec: { ttlSeconds: -2 } }), {
      code: 422,
      message: /spec\.ttlSeconds: Invalid value: -2: spec\.ttlSeconds in body should be greater than or equal to 1/,
    });
    assertFailure(await scope.api.patch(path, 'merge', { spec: { desiredState: 'Stopped' } }), {
      code: 422,
      message: /spec\.onIdle: Invalid value: onIdle needs idleTimeoutSeconds/,
    });
    bodyOf(await scope.api.patch(path, 'merge', { spec: { desiredState: 'Stopped', onIdle: null, ttlSeconds: 9 } }));
    bodyOf(await scope.api.delete(path));
    bodyOf(await scope.api.patch(path, 'merge', { metadata: { finalizers: null } }));
    assert.equal((await scope.api.get(path)).status, 404);
  });
});
