// Server-side apply: ownership of fields, conflicts, force, sharing, removal, list maps, managedFields.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiObject } from '../api-client.ts';
import { apiVersion, assertFailure, bodyOf, configMap, microVm, secretRefs } from './objects.ts';
import { onEachTarget } from './scope.ts';

const group = 'vvm.tvm.github.com';
const base = { image: 'a', cpu: 1, memory: 64 };
const owned = { 'f:cpu': {}, 'f:image': {}, 'f:memory': {} };

onEachTarget('server-side apply', (scope) => {
  const apply = (name: string, manager: string, spec: object, query = {}) => {
    const body = { apiVersion, kind: 'MicroVM', metadata: { name }, spec };
    return scope.api.patch(scope.path('microvms', name), 'apply', body, { fieldManager: manager, ...query });
  };
  /** managedFields as manager to fields, times left out. */
  const managers = (object: ApiObject) =>
    Object.fromEntries(object.metadata.managedFields.map((each: ApiObject) => [each.manager, each.fieldsV1]));

  test('apply creates, then answers 200 without a change', async () => {
    const created = bodyOf(
      await apply('made', 'one', { ...base, envFrom: secretRefs('x'), env: [{ name: 'A', value: '1' }] }),
      201,
    );
    assert.equal(created.spec.desiredState, 'Running');
    const [entry] = created.metadata.managedFields;
    assert.match(entry.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const env = { 'k:{"name":"A"}': { '.': {}, 'f:name': {}, 'f:value': {} } };
    assert.deepEqual(created.metadata.managedFields, [
      {
        manager: 'one',
        operation: 'Apply',
        apiVersion,
        time: entry.time,
        fieldsType: 'FieldsV1',
        fieldsV1: { 'f:spec': { ...owned, 'f:envFrom': {}, 'f:env': env } },
      },
    ]);
    const again = bodyOf(
      await apply('made', 'one', { ...base, envFrom: secretRefs('x'), env: [{ name: 'A', value: '1' }] }),
    );
    assert.equal(again.metadata.resourceVersion, created.metadata.resourceVersion);
  });

  test('a body in YAML', async () => {
    const body = `apiVersion: ${apiVersion}\nkind: MicroVM\nmetadata: {name: yaml}\nspec: {image: a, cpu: 1, memory: 64}\n`;
    const answer = await scope.api.patch(scope.path('microvms', 'yaml'), 'apply', body, { fieldManager: 'one' });
    assert.equal(bodyOf(answer, 201).spec.memory, 64);
  });

  test('managers that agree share a field; it goes when the last lets go', async () => {
    bodyOf(await apply('shared', 'one', { ...base, ttlSeconds: 5 }), 201);
    const both = bodyOf(await apply('shared', 'two', { ...base, ttlSeconds: 5 }));
    assert.deepEqual(managers(both), {
      one: { 'f:spec': { ...owned, 'f:ttlSeconds': {} } },
      two: { 'f:spec': { ...owned, 'f:ttlSeconds': {} } },
    });
    assert.equal(bodyOf(await apply('shared', 'one', base)).spec.ttlSeconds, 5);
    assert.equal(bodyOf(await apply('shared', 'two', base)).spec.ttlSeconds, undefined);
  });

  test('conflicts name the fields and their managers; force takes them', async () => {
    bodyOf(
      await apply('contested', 'one', { ...base, envFrom: secretRefs('x'), env: [{ name: 'A', value: '1' }] }),
      201,
    );
    const wanted = { ...base, envFrom: secretRefs('y'), env: [{ name: 'A', value: '2' }] };
    assertFailure(await apply('contested', 'two', wanted), {
      code: 409,
      reason: 'Conflict',
      message: 'Apply failed with 2 conflicts: conflicts with "one":\n- .spec.envFrom\n- .spec.env[name="A"].value',
      details: {
        causes: [
          { reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.spec.envFrom' },
          { reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.spec.env[name="A"].value' },
        ],
      },
    });
    const forced = bodyOf(await apply('contested', 'two', wanted, { force: true }));
    assert.deepEqual(forced.spec.envFrom, secretRefs('y'));
    assert.deepEqual(managers(forced), {
      one: { 'f:spec': { ...owned, 'f:env': { 'k:{"name":"A"}': { '.': {}, 'f:name': {} } } } },
      two: {
        'f:spec': {
          ...owned,
          'f:envFrom': {},
          'f:env': { 'k:{"name":"A"}': { '.': {}, 'f:name': {}, 'f:value': {} } },
        },
      },
    });
  });

  test('a single conflict with an update names the manager and its kind of operation', async () => {
    bodyOf(await apply('edited', 'one', { ...base, envFrom: secretRefs('x') }), 201);
    const edited = bodyOf(
      await scope.api.patch(
        scope.path('microvms', 'edited'),
        'merge',
        { spec: { envFrom: secretRefs('z') } },
        { fieldManager: 'ed' },
      ),
    );
    assert.deepEqual(managers(edited), { one: { 'f:spec': owned }, ed: { 'f:spec': { 'f:envFrom': {} } } });
    assert.deepEqual(
      edited.metadata.managedFields.map((each: ApiObject) => each.operation),
      ['Apply', 'Update'],
    );
    assertFailure(await apply('edited', 'one', { ...base, envFrom: secretRefs('x') }), {
      code: 409,
      message:
        /^Apply failed with 1 conflict: conflict with "ed" using vvm\.tvm\.github\.com\/v1alpha1( at [^:]+:\d\d:\d\dZ)?: \.spec\.envFrom$/,
    });
  });

  test('lists with keys merge by key, and keep what others own', async () => {
    bodyOf(await apply('keyed', 'one', { ...base, env: [{ name: 'A', value: '1' }] }), 201);
    const two = bodyOf(await apply('keyed', 'two', { env: [{ name: 'B', value: '2' }] }));
    assert.deepEqual(two.spec.env, [
      { name: 'A', value: '1' },
      { name: 'B', value: '2' },
    ]);
    const one = bodyOf(await apply('keyed', 'one', { ...base, env: [{ name: 'C', value: '3' }] }));
    assert.deepEqual(one.spec.env.map((each: ApiObject) => each.name).toSorted(), ['B', 'C']);
    const gone = bodyOf(await apply('keyed', 'two', {}));
    assert.deepEqual(gone.spec.env, [{ name: 'C', value: '3' }]);
  });

  test('a field that is applied no more is removed, a default comes back', async () => {
    bodyOf(await apply('removed', 'one', { ...base, desiredState: 'Stopped', envFrom: secretRefs('a') }), 201);
    const { spec } = bodyOf(await apply('removed', 'one', base));
    assert.deepEqual(spec, { ...base, desiredState: 'Running' });
  });

  test('labels and annotations are owned one by one', async () => {
    const path = scope.path('microvms', 'labelled');
    const label = (manager: string, labels: object) =>
      scope.api.patch(
        path,
        'apply',
        { apiVersion, kind: 'MicroVM', metadata: { name: 'labelled', labels }, spec: base },
        { fieldManager: manager },
      );
    bodyOf(await label('one', { a: '1' }), 201);
    const both = bodyOf(await label('two', { b: '2' }));
    assert.deepEqual(both.metadata.labels, { a: '1', b: '2' });
    assert.deepEqual(managers(both).two, { 'f:metadata': { 'f:labels': { 'f:b': {} } }, 'f:spec': owned });
    assert.deepEqual(bodyOf(await label('two', {})).metadata.labels, { a: '1' });
  });

  test('status is applied through its subresource', async () => {
    bodyOf(await apply('status', 'one', base), 201);
    const condition = {
      type: 'Ready',
      status: 'True',
      reason: 'A',
      message: 'm',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    };
    const body = {
      apiVersion,
      kind: 'MicroVM',
      metadata: { name: 'status' },
      status: { phase: 'Running', conditions: [condition] },
    };
    const path = scope.path('microvms', 'status', 'status');
    const applied = bodyOf(await scope.api.patch(path, 'apply', body, { fieldManager: 'controller' }));
    assert.equal(applied.status.phase, 'Running');
    const entry = applied.metadata.managedFields.find((each: ApiObject) => each.manager === 'controller');
    assert.equal(entry.subresource, 'status');
    const keys = ['f:lastTransitionTime', 'f:message', 'f:reason', 'f:status', 'f:type'].map((key) => [key, {}]);
    assert.deepEqual(entry.fieldsV1, {
      'f:status': { 'f:phase': {}, 'f:conditions': { 'k:{"type":"Ready"}': { '.': {}, ...Object.fromEntries(keys) } } },
    });
    const other = { ...body, status: { conditions: [{ ...condition, type: 'Scheduled' }] } };
    const two = bodyOf(await scope.api.patch(path, 'apply', other, { fieldManager: 'scheduler' }));
    assert.deepEqual(
      two.status.conditions.map((each: ApiObject) => each.type),
      ['Ready', 'Scheduled'],
    );
  });

  test('core kinds are applied too', async () => {
    const path = scope.path('configmaps', 'core');
    const one = bodyOf(
      await scope.api.patch(path, 'apply', configMap('core', { a: '1', b: '1' }), { fieldManager: 'one' }),
      201,
    );
    assert.deepEqual(managers(one), { one: { 'f:data': { 'f:a': {}, 'f:b': {} } } });
    const two = bodyOf(await scope.api.patch(path, 'apply', configMap('core', { a: '1' }), { fieldManager: 'one' }));
    assert.deepEqual(two.data, { a: '1' });
    assertFailure(await scope.api.patch(path, 'apply', configMap('core', { a: '2' }), { fieldManager: 'two' }), {
      code: 409,
      message: 'Apply failed with 1 conflict: conflict with "one": .data.a',
    });
  });

  test('what create and update write is recorded', async () => {
    const path = scope.path('microvms', 'recorded');
    const created = bodyOf(
      await scope.api.create(scope.path('microvms'), microVm('recorded'), { fieldManager: 'maker' }),
      201,
    );
    const [entry] = created.metadata.managedFields;
    assert.equal(entry.operation, 'Update');
    assert.deepEqual(managers(created), { maker: { 'f:spec': { '.': {}, ...owned, 'f:desiredState': {} } } });
    const labelled = bodyOf(
      await scope.api.patch(path, 'merge', { metadata: { labels: { a: 'b' } } }, { fieldManager: 'labeller' }),
    );
    assert.deepEqual(managers(labelled).labeller, { 'f:metadata': { 'f:labels': { '.': {}, 'f:a': {} } } });
  });

  test('requests that make no sense', async () => {
    const path = scope.path('microvms', 'senseless');
    const send = (body: object, query = {}) => scope.api.patch(path, 'apply', body, { fieldManager: 'one', ...query });
    const whole = { apiVersion, kind: 'MicroVM', metadata: { name: 'senseless' }, spec: base };
    assertFailure(await scope.api.patch(path, 'apply', whole), {
      code: 422,
      message: 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    });
    assertFailure(await send(whole, { fieldManager: 'x'.repeat(129) }), {
      code: 422,
      message: 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Too long: may not be more than 128 bytes',
    });
    assertFailure(await send({ ...whole, metadata: { name: 'other' } }), {
      code: 400,
      message: 'the name of the object (other) does not match the name on the URL (senseless)',
    });
    bodyOf(await send(whole), 201);
    assertFailure(await send({ ...whole, metadata: { name: 'senseless', managedFields: [{ manager: 'x' }] } }), {
      code: 400,
      message: 'metadata.managedFields must be nil',
    });
    assertFailure(await send({ ...whole, metadata: { name: 'senseless', resourceVersion: '1' } }), {
      code: 409,
      reason: 'Conflict',
      details: { name: 'senseless', group, kind: 'microvms' },
    });
    assertFailure(await send({ ...whole, spec: { ...base, zork: 1 } }), {
      code: 500,
      message: /\.spec\.zork: field not declared in schema$/,
    });
    const twice = { ...base, env: [{ name: 'Q' }, { name: 'Q' }] };
    assertFailure(await send({ ...whole, spec: twice }), {
      code: 500,
      message: /\.spec\.env: duplicate entries for key \[name="Q"\]$/,
    });
    assertFailure(await send({ ...whole, spec: { cpu: 0 } }, { force: true, fieldManager: 'two' }), {
      code: 422,
      reason: 'Invalid',
    });
    assertFailure(await scope.api.patch(path, 'merge', {}, { force: true }), {
      code: 422,
      message: 'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch',
    });
  });

  test("kubectl's apply keeps the note of its client-side apply right", async () => {
    const note = 'kubectl.kubernetes.io/last-applied-configuration';
    const metadata = { annotations: { [note]: '{"old":true}', other: 'x' } };
    bodyOf(await scope.api.create(scope.path('microvms'), microVm('noted', { metadata })), 201);
    const read = async () => bodyOf(await scope.api.get(scope.path('microvms', 'noted'))).metadata.annotations;
    bodyOf(await apply('noted', 'somebody', { ttlSeconds: 5 }));
    assert.equal((await read())[note], '{"old":true}');
    bodyOf(await apply('noted', 'kubectl', { ttlSeconds: 5, envFrom: secretRefs('b', 'a') }));
    const text = `{"apiVersion":"${apiVersion}","kind":"MicroVM","metadata":{"name":"noted"},"spec":{"envFrom":[{"secretRef":{"name":"b"}},{"secretRef":{"name":"a"}}],"ttlSeconds":5}}\n`;
    assert.deepEqual(await read(), { [note]: text, other: 'x' });
    bodyOf(await apply('new', 'kubectl', base), 201);
    assert.equal(bodyOf(await scope.api.get(scope.path('microvms', 'new'))).metadata.annotations, undefined);
  });
});
