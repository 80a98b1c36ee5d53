// status and scale: what each may change, and what it leaves alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertFailure, bodyOf, microVm, pool } from './objects.ts';
import { onEachTarget } from './scope.ts';

const group = 'vvm.tvm.github.com';

onEachTarget('subresources', (scope) => {
  const makeVm = async (name: string) => bodyOf(await scope.api.create(scope.path('microvms'), microVm(name)), 201);
  const makePool = async (name: string, spec = {}) =>
    bodyOf(await scope.api.create(scope.path('microvmpools'), pool(name, spec)), 201);

  test('status changes status alone', async () => {
    const created = await makeVm('status');
    const path = scope.path('microvms', 'status', 'status');
    const changed = {
      ...created,
      metadata: { ...created.metadata, labels: { a: 'b' } },
      spec: { ...created.spec, ttlSeconds: 5 },
      status: { phase: 'Running', bootMs: 7 },
    };
    const updated = bodyOf(await scope.api.update(path, changed));
    assert.deepEqual(updated.status, { phase: 'Running', bootMs: 7 });
    assert.deepEqual(updated.spec, created.spec);
    assert.equal(updated.metadata.labels, undefined);
    assert.equal(updated.metadata.generation, 1);
    assert.notEqual(updated.metadata.resourceVersion, created.metadata.resourceVersion);
    const read = bodyOf(await scope.api.get(path));
    assert.deepEqual(read, updated);
    assertFailure(await scope.api.update(path, changed), { code: 409, reason: 'Conflict' });
  });

  test('the object itself never changes status', async () => {
    await makeVm('main');
    const path = scope.path('microvms', 'main');
    bodyOf(await scope.api.patch(`${path}/status`, 'merge', { status: { phase: 'Running' } }));
    const patched = bodyOf(
      await scope.api.patch(path, 'merge', { status: { phase: 'Failed' }, spec: { ttlSeconds: 5 } }),
    );
    assert.equal(patched.status.phase, 'Running');
    assert.equal(patched.spec.ttlSeconds, 5);
    const updated = bodyOf(await scope.api.update(path, { ...patched, status: undefined }));
    assert.equal(updated.status.phase, 'Running');
  });

  test('status is validated', async () => {
    await makeVm('checked');
    const path = scope.path('microvms', 'checked', 'status');
    assertFailure(await scope.api.patch(path, 'merge', { status: { phase: 'Dancing' } }), {
      code: 422,
      message: /status\.phase: Unsupported value: "Dancing": supported values: "Pending", "Creating", "Running"/,
    });
    assertFailure(await scope.api.patch(path, 'merge', { status: { conditions: [{ type: 'Ready' }] } }), {
      code: 422,
      message: /status\.conditions\[0\]\.reason: Required value/,
    });
    const pruned = bodyOf(await scope.api.patch(path, 'merge', { status: { host: 'n1', zork: 1 } }));
    assert.deepEqual(pruned.status, { host: 'n1' });
    const operations = [{ op: 'replace', path: '/status/host', value: 'n2' }];
    assert.equal(bodyOf(await scope.api.patch(path, 'json', operations)).status.host, 'n2');
  });

  test('status of what is not there', async () => {
    assertFailure(await scope.api.get(scope.path('microvms', 'none', 'status')), { code: 404, reason: 'NotFound' });
    assertFailure(await scope.api.patch(scope.path('microvms', 'none', 'status'), 'merge', {}), {
      code: 404,
      message: `microvms.${group} "none" not found`,
    });
    assert.equal((await scope.api.get(scope.path('microvms', 'none', 'zork'))).status, 404);
    assert.equal((await scope.api.get(scope.path('microvms', 'none', 'scale'))).status, 404);
  });

  test('scale shows the pool as replicas', async () => {
    const { metadata } = await makePool('shown', { minReady: 2 });
    const scale = bodyOf(await scope.api.get(scope.path('microvmpools', 'shown', 'scale')));
    const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata;
    assert.deepEqual(scale, {
      kind: 'Scale',
      apiVersion: 'autoscaling/v1',
      metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
      spec: { replicas: 2 },
      status: { replicas: 0 },
    });
    const path = scope.path('microvmpools', 'shown', 'status');
    bodyOf(await scope.api.patch(path, 'merge', { status: { ready: 1, selector: 'pool=shown' } }));
    const { status } = bodyOf(await scope.api.get(scope.path('microvmpools', 'shown', 'scale')));
    assert.deepEqual(status, { replicas: 1, selector: 'pool=shown' });
  });

  test('scale changes the pool, counts a generation, and minds the version', async () => {
    await makePool('scaled');
    const path = scope.path('microvmpools', 'scaled', 'scale');
    const read = bodyOf(await scope.api.get(path));
    const put = bodyOf(await scope.api.update(path, { ...read, spec: { replicas: 3 } }));
    assert.deepEqual(put.spec, { replicas: 3 });
    assertFailure(await scope.api.update(path, { ...read, spec: { replicas: 4 } }), { code: 409, reason: 'Conflict' });
    bodyOf(await scope.api.patch(path, 'merge', { spec: { replicas: 5 } }));
    const after = bodyOf(await scope.api.get(scope.path('microvmpools', 'scaled')));
    assert.equal(after.spec.minReady, 5);
    assert.equal(after.metadata.generation, 3);
    assert.equal(after.spec.template.spec.image, 'tvm/python');
  });

  test('scale obeys the schema of the pool and its rules', async () => {
    await makePool('bounded', { maxReady: 4 });
    const path = scope.path('microvmpools', 'bounded', 'scale');
    assertFailure(await scope.api.patch(path, 'merge', { spec: { replicas: -4 } }), {
      code: 422,
      message: /spec\.minReady: Invalid value: -4: spec\.minReady in body should be greater than or equal to 0/,
    });
    assertFailure(await scope.api.patch(path, 'merge', { spec: { replicas: 5 } }), {
      code: 422,
      message: /minReady must not exceed maxReady/,
    });
    assertFailure(await scope.api.get(scope.path('microvmpools', 'none', 'scale')), {
      code: 404,
      message: `microvmpools.${group} "none" not found`,
    });
  });

  test('a namespace has a status and a finalize subresource', async () => {
    const namespace = bodyOf(await scope.api.get(`/api/v1/namespaces/${scope.namespace}/status`));
    assert.equal(namespace.kind, 'Namespace');
    assert.deepEqual(namespace.status, { phase: 'Active' });
  });
});
