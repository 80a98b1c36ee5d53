// JSON patch, merge patch, strategic merge patch of core kinds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertFailure, bodyOf, configMap, microVm, secretRefs } from './objects.ts';
import { onEachTarget } from './scope.ts';

onEachTarget('patch', (scope) => {
  const path = (name: string) => scope.path('microvms', name);
  const make = async (name: string, more = {}) =>
    bodyOf(await scope.api.create(scope.path('microvms'), microVm(name, more)), 201);
  const makeMap = async (name: string, data: Record<string, string>) => {
    bodyOf(await scope.api.create(scope.path('configmaps'), configMap(name, data)), 201);
    return scope.path('configmaps', name);
  };

  test('JSON patch: add, replace, remove, copy, move, test', async () => {
    await make('json', { spec: { envFrom: secretRefs('a', 'c'), ttlSeconds: 5 } });
    const operations = [
      { op: 'test', path: '/spec/ttlSeconds', value: 5 },
      { op: 'add', path: '/spec/envFrom/1', value: { secretRef: { name: 'b' } } },
      { op: 'copy', from: '/spec/envFrom/0', path: '/spec/envFrom/-' },
      { op: 'replace', path: '/spec/desiredState', value: 'Paused' },
      { op: 'remove', path: '/spec/ttlSeconds' },
      { op: 'add', path: '/metadata/annotations', value: { 'x.y/z': '1' } },
      { op: 'move', from: '/metadata/annotations/x.y~1z', path: '/metadata/annotations/moved' },
    ];
    const { spec, metadata } = bodyOf(await scope.api.patch(path('json'), 'json', operations));
    assert.deepEqual(spec.envFrom, secretRefs('a', 'b', 'c', 'a'));
    assert.equal(spec.desiredState, 'Paused');
    assert.equal(spec.ttlSeconds, undefined);
    assert.deepEqual(metadata.annotations, { moved: '1' });
    assert.equal(metadata.generation, 2);
  });

  test('JSON patch that does not fit changes nothing', async () => {
    const before = await make('json-bad');
    for (const operations of [
      [{ op: 'remove', path: '/spec/none' }],
      [
        { op: 'replace', path: '/spec/desiredState', value: 'Paused' },
        { op: 'test', path: '/spec/cpu', value: 7 },
      ],
    ]) {
      assertFailure(await scope.api.patch(path('json-bad'), 'json', operations), {
        code: 422,
        reason: 'Invalid',
        message: 'the server rejected our request due to an error in our request',
      });
    }
    assertFailure(await scope.api.patch(path('json-bad'), 'json', { op: 'test' }), {
      code: 400,
      reason: 'BadRequest',
      message: /^error decoding patch: /,
    });
    assert.deepEqual(bodyOf(await scope.api.get(path('json-bad'))), before);
  });

  test('merge patch: null removes, lists are replaced, defaults come back', async () => {
    await make('merge', { spec: { envFrom: secretRefs('a', 'b'), ttlSeconds: 5, desiredState: 'Stopped' } });
    const envFrom = secretRefs('c');
    const patch = { spec: { envFrom, ttlSeconds: null, desiredState: null }, metadata: { labels: { a: 'b' } } };
    const { spec, metadata } = bodyOf(await scope.api.patch(path('merge'), 'merge', patch));
    assert.deepEqual(spec, { image: 'tvm/python', cpu: 1, memory: 256, envFrom, desiredState: 'Running' });
    assert.deepEqual(metadata.labels, { a: 'b' });
    const unlabelled = bodyOf(await scope.api.patch(path('merge'), 'merge', { metadata: { labels: null } }));
    assert.equal(unlabelled.metadata.labels, undefined);
  });

  test('merge patch with a resourceVersion is a condition', async () => {
    const { metadata } = await make('conditional');
    const changed = bodyOf(
      await scope.api.patch(path('conditional'), 'merge', {
        metadata: { resourceVersion: metadata.resourceVersion },
        spec: { ttlSeconds: 1 },
      }),
    );
    assert.equal(changed.spec.ttlSeconds, 1);
    const stale = { metadata: { resourceVersion: metadata.resourceVersion }, spec: { ttlSeconds: 2 } };
    assertFailure(await scope.api.patch(path('conditional'), 'merge', stale), { code: 409, reason: 'Conflict' });
  });

  test('concurrent patches without a version all arrive', async () => {
    await make('crowd');
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        scope.api.patch(path('crowd'), 'merge', { metadata: { annotations: { [`n${i}`]: '1' } } }),
      ),
    );
    for (const answer of answers) assert.ok([200, 409].includes(answer.status), answer.text);
    const { annotations } = bodyOf(await scope.api.get(path('crowd'))).metadata;
    assert.equal(Object.keys(annotations).length, answers.filter((answer) => answer.status === 200).length);
  });

  test('identity cannot be patched', async () => {
    const before = await make('identity');
    assertFailure(await scope.api.patch(path('identity'), 'merge', { metadata: { name: 'other' } }), {
      code: 400,
      message: 'the name of the object (other) does not match the name on the URL (identity)',
    });
    assertFailure(await scope.api.patch(path('identity'), 'merge', { metadata: { uid: 'other' } }), {
      code: 422,
      message: /metadata\.uid: Invalid value: "other": field is immutable/,
    });
    const same = bodyOf(await scope.api.patch(path('identity'), 'merge', { metadata: { creationTimestamp: null } }));
    assert.equal(same.metadata.creationTimestamp, before.metadata.creationTimestamp);
  });

  test('custom kinds know no strategic merge, and no patch of another type', async () => {
    await make('types');
    const message =
      'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml';
    for (const contentType of ['application/strategic-merge-patch+json', 'application/json']) {
      const answer = await scope.api.send(path('types'), { method: 'PATCH', body: {}, contentType });
      assert.equal(answer.status, 415, answer.text);
      assert.ok(answer.body.message.startsWith(message), answer.body.message);
    }
    assertFailure(
      await scope.api.send(path('types'), { method: 'PATCH', body: '[1', contentType: 'application/merge-patch+json' }),
      {
        code: 400,
        reason: 'BadRequest',
      },
    );
  });

  test('strategic merge: maps merge, null removes, $patch replaces', async () => {
    const map = await makeMap('strategic', { a: '1', b: '2' });
    const merged = bodyOf(await scope.api.patch(map, 'strategic', { data: { a: null, c: '3' } }));
    assert.deepEqual(merged.data, { b: '2', c: '3' });
    const replaced = bodyOf(await scope.api.patch(map, 'strategic', { data: { $patch: 'replace', z: '1' } }));
    assert.deepEqual(replaced.data, { z: '1' });
  });

  test('strategic merge: finalizers are a set', async () => {
    const map = await makeMap('finalizers', {});
    await scope.api.patch(map, 'strategic', { metadata: { finalizers: ['x.y/a'] } });
    const both = bodyOf(await scope.api.patch(map, 'strategic', { metadata: { finalizers: ['x.y/b'] } }));
    assert.deepEqual(both.metadata.finalizers.toSorted(), ['x.y/a', 'x.y/b']);
    const one = await scope.api.patch(map, 'strategic', {
      metadata: { '$deleteFromPrimitiveList/finalizers': ['x.y/a'] },
    });
    assert.deepEqual(bodyOf(one).metadata.finalizers, ['x.y/b']);
    const none = bodyOf(await scope.api.patch(map, 'strategic', { metadata: { finalizers: null } }));
    assert.equal(none.metadata.finalizers, undefined);
  });

  test('strategic merge: owners merge by uid', async () => {
    const owner = bodyOf(await scope.api.create(scope.path('configmaps'), configMap('owner')), 201).metadata;
    const other = bodyOf(await scope.api.create(scope.path('configmaps'), configMap('owner2')), 201).metadata;
    const map = await makeMap('owned', {});
    const reference = (of: typeof owner) => ({ apiVersion: 'v1', kind: 'ConfigMap', name: of.name, uid: of.uid });
    await scope.api.patch(map, 'strategic', { metadata: { ownerReferences: [reference(owner)] } });
    const two = bodyOf(await scope.api.patch(map, 'strategic', { metadata: { ownerReferences: [reference(other)] } }));
    assert.deepEqual(two.metadata.ownerReferences.map((each: { name: string }) => each.name).toSorted(), [
      'owner',
      'owner2',
    ]);
    const one = bodyOf(
      await scope.api.patch(map, 'strategic', {
        metadata: { ownerReferences: [{ uid: owner.uid, $patch: 'delete' }] },
      }),
    );
    assert.deepEqual(one.metadata.ownerReferences, [reference(other)]);
  });
});
