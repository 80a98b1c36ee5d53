// Create, get, update, delete of custom and core kinds: generation, no-op updates, conflicts, generateName, defaults.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertFailure, bodyOf, configMap, microVm, pool, session, snapshot } from './objects.ts';
import { onEachTarget } from './scope.ts';

const group = 'vvm.tvm.github.com';

onEachTarget('create, read, update, delete', (scope) => {
  test('create fills metadata and defaults', async () => {
    const created = bodyOf(await scope.api.create(scope.path('microvms'), microVm('filled')), 201);
    const { metadata, spec } = created;
    assert.equal(created.kind, 'MicroVM');
    assert.equal(created.apiVersion, `${group}/v1alpha1`);
    assert.equal(metadata.namespace, scope.namespace);
    assert.match(metadata.uid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.match(metadata.resourceVersion, /^[1-9]\d*$/);
    assert.match(metadata.creationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.equal(metadata.generation, 1);
    assert.deepEqual(spec, { image: 'tvm/python', cpu: 1, memory: 256, desiredState: 'Running' });
    const read = bodyOf(await scope.api.get(scope.path('microvms', 'filled')));
    assert.deepEqual(read, created);
  });

  test('every custom kind can be created', async () => {
    for (const [resource, object] of Object.entries({
      microvmpools: pool('every'),
      mcpsessions: session('every'),
      microvmsnapshots: snapshot('every'),
    })) {
      const created = bodyOf(await scope.api.create(scope.path(resource), object), 201);
      assert.equal(created.kind, object.kind);
      bodyOf(await scope.api.delete(scope.path(resource, 'every')));
    }
  });

  test('what a client may not set is ignored on create', async () => {
    const object = microVm('ignored', {
      metadata: {
        uid: 'mine',
        generation: 7,
        creationTimestamp: '2001-01-01T00:00:00Z',
        deletionTimestamp: '2001-01-01T00:00:00Z',
      },
      status: { phase: 'Running' },
    });
    const created = bodyOf(await scope.api.create(scope.path('microvms'), object), 201);
    assert.notEqual(created.metadata.uid, 'mine');
    assert.equal(created.metadata.generation, 1);
    assert.doesNotMatch(created.metadata.creationTimestamp, /^2001/);
    assert.equal(created.metadata.deletionTimestamp, undefined);
    assert.equal(created.status, undefined);
  });

  test('a resourceVersion on create is refused', async () => {
    const answer = await scope.api.create(
      scope.path('microvms'),
      microVm('rv', { metadata: { resourceVersion: '5' } }),
    );
    assertFailure(answer, { code: 500, message: 'resourceVersion should not be set on objects to be created' });
  });

  test('YAML bodies are read', async () => {
    const body = `apiVersion: ${group}/v1alpha1\nkind: MicroVM\nmetadata: {name: yaml}\nspec: {image: a, cpu: 1, memory: 64}\n`;
    const options = { method: 'POST', body, contentType: 'application/yaml' };
    const created = bodyOf(await scope.api.send(scope.path('microvms'), options), 201);
    assert.equal(created.spec.memory, 64);
  });

  test('generateName adds five characters and never collides', async () => {
    const object = () => microVm('', { metadata: { name: undefined, generateName: 'many-' } });
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => scope.api.create(scope.path('microvms'), object())),
    );
    const names = answers.map((answer) => bodyOf(answer, 201).metadata.name);
    for (const name of names) assert.match(name, /^many-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
    assert.equal(new Set(names).size, 20);
    const [first] = answers;
    assert.equal(first?.body.metadata.generateName, 'many-');
  });

  test('a name that is taken is AlreadyExists', async () => {
    bodyOf(await scope.api.create(scope.path('microvms'), microVm('taken')), 201);
    assertFailure(await scope.api.create(scope.path('microvms'), microVm('taken')), {
      code: 409,
      reason: 'AlreadyExists',
      message: `microvms.${group} "taken" already exists`,
      details: { name: 'taken', group, kind: 'microvms' },
    });
  });

  test('a namespace that is not there', async () => {
    const path = `/apis/${group}/v1alpha1/namespaces/nowhere/microvms`;
    assertFailure(await scope.api.create(path, microVm('a')), {
      code: 404,
      reason: 'NotFound',
      message: 'namespaces "nowhere" not found',
      details: { name: 'nowhere', kind: 'namespaces' },
    });
    const list = bodyOf(await scope.api.get(path));
    assert.deepEqual(list.items, []);
  });

  test('get, update, patch and delete of what is not there are NotFound', async () => {
    const path = scope.path('microvms', 'none');
    const expected = {
      code: 404,
      reason: 'NotFound',
      message: `microvms.${group} "none" not found`,
      details: { name: 'none', group, kind: 'microvms' },
    };
    assertFailure(await scope.api.get(path), expected);
    assertFailure(await scope.api.update(path, microVm('none')), expected);
    assertFailure(await scope.api.update(path, microVm('none', { metadata: { resourceVersion: '5' } })), expected);
    assertFailure(await scope.api.patch(path, 'merge', {}), expected);
    assertFailure(await scope.api.delete(path), expected);
    assertFailure(await scope.api.get(scope.path('configmaps', 'none')), {
      code: 404,
      reason: 'NotFound',
      message: 'configmaps "none" not found',
      details: { name: 'none', kind: 'configmaps' },
    });
  });

  test('update needs the current resourceVersion', async () => {
    const path = scope.path('microvms', 'versioned');
    const created = bodyOf(await scope.api.create(scope.path('microvms'), microVm('versioned')), 201);
    const updated = bodyOf(await scope.api.update(path, { ...created, spec: { ...created.spec, ttlSeconds: 60 } }));
    assert.ok(BigInt(updated.metadata.resourceVersion) > BigInt(created.metadata.resourceVersion));
    assertFailure(await scope.api.update(path, { ...created, spec: { ...created.spec, ttlSeconds: 61 } }), {
      code: 409,
      reason: 'Conflict',
      message: `Operation cannot be fulfilled on microvms.${group} "versioned": the object has been modified; please apply your changes to the latest version and try again`,
      details: { name: 'versioned', group, kind: 'microvms' },
    });
    assertFailure(await scope.api.update(path, microVm('versioned')), {
      code: 422,
      reason: 'Invalid',
      message: `microvms.${group} "versioned" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update`,
    });
    const core = bodyOf(await scope.api.create(scope.path('configmaps'), configMap('unversioned', { a: '1' })), 201);
    const replaced = bodyOf(
      await scope.api.update(scope.path('configmaps', 'unversioned'), configMap('unversioned', { a: '2' })),
    );
    assert.equal(replaced.metadata.uid, core.metadata.uid);
    assert.deepEqual(replaced.data, { a: '2' });
  });

  test('generation counts changes of spec only; an update without change keeps resourceVersion', async () => {
    const path = scope.path('microvms', 'counted');
    let object = bodyOf(await scope.api.create(scope.path('microvms'), microVm('counted')), 201);
    const same = bodyOf(await scope.api.update(path, object));
    assert.equal(same.metadata.resourceVersion, object.metadata.resourceVersion);
    assert.deepEqual(same.metadata.managedFields, object.metadata.managedFields);
    object = bodyOf(await scope.api.patch(path, 'merge', { metadata: { labels: { a: 'b' } } }));
    assert.equal(object.metadata.generation, 1);
    object = bodyOf(await scope.api.patch(path, 'merge', { spec: { desiredState: 'Stopped' } }));
    assert.equal(object.metadata.generation, 2);
    object = bodyOf(await scope.api.patch(`${path}/status`, 'merge', { status: { phase: 'Stopped' } }));
    assert.equal(object.metadata.generation, 2);
    const noop = bodyOf(await scope.api.patch(path, 'merge', { spec: { desiredState: 'Stopped' } }));
    assert.equal(noop.metadata.resourceVersion, object.metadata.resourceVersion);
  });

  test('identity fields are kept or refused', async () => {
    const path = scope.path('microvms', 'identity');
    const created = bodyOf(await scope.api.create(scope.path('microvms'), microVm('identity')), 201);
    assertFailure(await scope.api.update(path, { ...created, metadata: { ...created.metadata, name: 'other' } }), {
      code: 400,
      reason: 'BadRequest',
      message: 'the name of the object (other) does not match the name on the URL (identity)',
    });
    const elsewhere = { ...created, metadata: { ...created.metadata, namespace: 'other' } };
    assertFailure(await scope.api.update(path, elsewhere), {
      code: 400,
      reason: 'BadRequest',
      message: 'the namespace of the provided object does not match the namespace sent on the request',
    });
    const moved = { ...created, metadata: { ...created.metadata, creationTimestamp: undefined, generation: 9 } };
    const updated = bodyOf(await scope.api.update(path, moved));
    assert.equal(updated.metadata.creationTimestamp, created.metadata.creationTimestamp);
    assert.equal(updated.metadata.generation, 1);
    const reborn = {
      ...created,
      metadata: { ...created.metadata, uid: 'another', resourceVersion: updated.metadata.resourceVersion },
    };
    const answer = await scope.api.update(path, reborn);
    assert.equal(answer.status, 409, answer.text);
    assert.match(answer.body.message, /Precondition failed: UID in precondition: another, UID in object meta: /);
  });

  test('delete answers with a Status that names the object', async () => {
    const created = bodyOf(await scope.api.create(scope.path('microvms'), microVm('gone')), 201);
    const answer = bodyOf(await scope.api.delete(scope.path('microvms', 'gone')));
    assert.deepEqual(answer, {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Success',
      details: { name: 'gone', group, kind: 'microvms', uid: created.metadata.uid },
    });
    assert.equal((await scope.api.get(scope.path('microvms', 'gone'))).status, 404);
  });
});
