// The core kinds and their own rules: Secrets, ConfigMaps, Events, Leases, Namespaces.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiObject } from '../api-client.ts';
import { assertFailure, bodyOf, configMap } from './objects.ts';
import { onEachTarget } from './scope.ts';

onEachTarget('core kinds', (scope) => {
  const secret = (name: string, more: object) => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name }, ...more });
  const event = (name: string, involved: string, more: object = {}) => ({
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name },
    involvedObject: {
      apiVersion: 'vvm.tvm.github.com/v1alpha1',
      kind: 'MicroVM',
      name: involved,
      namespace: scope.namespace,
      uid: involved,
    },
    reason: 'Started',
    message: 'the machine runs',
    type: 'Normal',
    count: 1,
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:00:00Z',
    source: { component: 'lime-ctrl' },
    ...more,
  });

  test('stringData becomes data', async () => {
    const body = secret('strings', { stringData: { a: 'hello' }, data: { b: 'aGk=' } });
    const created = bodyOf(await scope.api.create(scope.path('secrets'), body), 201);
    assert.equal(created.type, 'Opaque');
    assert.deepEqual(created.data, { a: 'aGVsbG8=', b: 'aGk=' });
    assert.equal(created.stringData, undefined);
  });

  test('data must be base64, a type is for ever', async () => {
    assertFailure(await scope.api.create(scope.path('secrets'), secret('bad', { data: { b: '***' } })), {
      code: 400,
      reason: 'BadRequest',
      message: /^Secret in version "v1" cannot be handled as a Secret: .*illegal base64 data at input byte 0/,
    });
    bodyOf(await scope.api.create(scope.path('secrets'), secret('typed', { data: {} })), 201);
    assertFailure(await scope.api.patch(scope.path('secrets', 'typed'), 'merge', { type: 'x' }), {
      code: 422,
      message: 'Secret "typed" is invalid: type: Invalid value: "x": field is immutable',
    });
  });

  test('immutable Secrets and ConfigMaps stay as they are', async () => {
    bodyOf(
      await scope.api.create(scope.path('secrets'), secret('still', { data: { a: 'aGk=' }, immutable: true })),
      201,
    );
    assertFailure(await scope.api.patch(scope.path('secrets', 'still'), 'merge', { data: { a: 'aG8=' } }), {
      code: 422,
      message: 'Secret "still" is invalid: data: Forbidden: field is immutable when `immutable` is set',
    });
    assertFailure(await scope.api.patch(scope.path('secrets', 'still'), 'merge', { immutable: false }), {
      code: 422,
      message: /immutable: Forbidden: field is immutable when `immutable` is set/,
    });
    const map = { ...configMap('still', { a: '1' }), immutable: true };
    bodyOf(await scope.api.create(scope.path('configmaps'), map), 201);
    const changed = await scope.api.patch(scope.path('configmaps', 'still'), 'strategic', { data: { a: '2' } });
    assertFailure(changed, { code: 422, message: /data: Forbidden: field is immutable when `immutable` is set/ });
    bodyOf(await scope.api.patch(scope.path('configmaps', 'still'), 'strategic', { metadata: { labels: { a: 'b' } } }));
  });

  test('keys and values of data are checked', async () => {
    assertFailure(await scope.api.create(scope.path('configmaps'), configMap('bad', { 'a b': 'x' })), {
      code: 422,
      reason: 'Invalid',
      message:
        /^ConfigMap "bad" is invalid: data\[a b\]: Invalid value: "a b": a valid config key must consist of alphanumeric characters/,
    });
    const numbers = { ...configMap('bad'), data: { a: 1 } };
    assertFailure(await scope.api.create(scope.path('configmaps'), numbers), {
      code: 400,
      reason: 'BadRequest',
      message:
        /^ConfigMap in version "v1" cannot be handled as a ConfigMap: .*cannot unmarshal number into Go struct field ConfigMap\.data of type string/,
    });
    const unknown = { ...configMap('bad'), zork: 1 };
    assertFailure(await scope.api.create(scope.path('configmaps'), unknown, { fieldValidation: 'Strict' }), {
      code: 400,
      message:
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "zork"',
    });
    const pruned = bodyOf(await scope.api.create(scope.path('configmaps'), unknown, { dryRun: 'All' }), 201);
    assert.equal(pruned.zork, undefined);
  });

  test('a core object needs no apiVersion and kind', async () => {
    const created = bodyOf(
      await scope.api.create(scope.path('configmaps'), { metadata: { name: 'bare' }, data: { a: '1' } }),
      201,
    );
    assert.equal(created.kind, 'ConfigMap');
    assert.equal(created.apiVersion, 'v1');
    const { items } = bodyOf(await scope.api.get(scope.path('configmaps'), { fieldSelector: 'metadata.name=bare' }));
    assert.equal(items[0].kind, undefined);
  });

  test('ConfigMaps have no generation', async () => {
    const created = bodyOf(await scope.api.create(scope.path('configmaps'), configMap('plain', { a: '1' })), 201);
    assert.equal(created.metadata.generation, undefined);
    const { binaryData } = bodyOf(
      await scope.api.patch(scope.path('configmaps', 'plain'), 'merge', { binaryData: { b: 'AAE=' } }),
    );
    assert.deepEqual(binaryData, { b: 'AAE=' });
  });

  test('Events are found by the object that they are about', async () => {
    bodyOf(await scope.api.create(scope.path('events'), event('e1', 'vm1')), 201);
    bodyOf(
      await scope.api.create(scope.path('events'), event('e2', 'vm2', { type: 'Warning', reason: 'Failed' })),
      201,
    );
    const find = async (fieldSelector: string) =>
      bodyOf(await scope.api.get(scope.path('events'), { fieldSelector })).items.map(
        (each: ApiObject) => each.metadata.name,
      );
    assert.deepEqual(await find('involvedObject.name=vm1,involvedObject.kind=MicroVM'), ['e1']);
    assert.deepEqual(await find('involvedObject.uid=vm2'), ['e2']);
    assert.deepEqual(await find(`involvedObject.namespace=${scope.namespace},type!=Normal`), ['e2']);
    assert.deepEqual(await find('reason=Started'), ['e1']);
    assertFailure(await scope.api.get(scope.path('configmaps'), { fieldSelector: 'data.a=b' }), {
      code: 400,
      reason: 'BadRequest',
    });
    const types = bodyOf(await scope.api.get(scope.path('secrets'), { fieldSelector: 'type=none' }));
    assert.deepEqual(types.items, []);
  });

  test('an Event is counted on by patch', async () => {
    bodyOf(await scope.api.create(scope.path('events'), event('counted', 'vm3')), 201);
    const patch = { count: 2, lastTimestamp: '2026-01-02T00:00:00Z' };
    const updated = bodyOf(await scope.api.patch(scope.path('events', 'counted'), 'strategic', patch));
    assert.equal(updated.count, 2);
    assert.equal(updated.lastTimestamp, '2026-01-02T00:00:00Z');
    assert.equal(updated.involvedObject.name, 'vm3');
  });

  test('an Event belongs to the namespace of its object', async () => {
    const elsewhere = event('elsewhere', 'vm1', { involvedObject: { kind: 'MicroVM', name: 'x', namespace: 'other' } });
    assertFailure(await scope.api.create(scope.path('events'), elsewhere), {
      code: 422,
      message:
        'Event "elsewhere" is invalid: involvedObject.namespace: Invalid value: "other": does not match event.namespace',
    });
  });

  test('a Lease keeps microseconds and is taken over by version', async () => {
    const spec = {
      holderIdentity: 'a',
      leaseDurationSeconds: 15,
      acquireTime: '2026-01-01T00:00:00.000000Z',
      renewTime: '2026-01-01T00:00:00.123456Z',
      leaseTransitions: 0,
    };
    const body = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'leader' }, spec };
    const created = bodyOf(await scope.api.create(scope.path('leases'), body), 201);
    assert.deepEqual(created.spec, spec);
    const taken = { ...created, spec: { ...spec, holderIdentity: 'b', leaseTransitions: 1 } };
    bodyOf(await scope.api.update(scope.path('leases', 'leader'), taken));
    assertFailure(
      await scope.api.update(scope.path('leases', 'leader'), { ...taken, spec: { ...spec, holderIdentity: 'c' } }),
      {
        code: 409,
        reason: 'Conflict',
        message:
          /^Operation cannot be fulfilled on leases\.coordination\.k8s\.io "leader": the object has been modified/,
      },
    );
    const bad = { ...body, metadata: { name: 'bad' }, spec: { leaseDurationSeconds: 0 } };
    assertFailure(await scope.api.create(scope.path('leases'), bad), {
      code: 422,
      message: /spec\.leaseDurationSeconds: Invalid value: 0: must be greater than 0/,
    });
  });

  test('the usual namespaces are there, and names are labels', async () => {
    for (const name of ['default', 'kube-system']) {
      const { metadata, status } = bodyOf(await scope.api.get(`/api/v1/namespaces/${name}`));
      assert.equal(metadata.labels['kubernetes.io/metadata.name'], name);
      assert.equal(status.phase, 'Active');
    }
    assertFailure(await scope.api.create('/api/v1/namespaces', { metadata: { name: 'a.b' } }), {
      code: 422,
      message: /^Namespace "a\.b" is invalid: metadata\.name: Invalid value: "a\.b": must not contain dots/,
    });
    assertFailure(await scope.api.delete('/api/v1/namespaces/kube-system'), {
      code: 403,
      reason: 'Forbidden',
      message: 'namespaces "kube-system" is forbidden: this namespace may not be deleted',
    });
  });
});
