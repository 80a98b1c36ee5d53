// The end of objects: preconditions, finalizers, collections, and what becomes of what they own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiObject } from '../api-client.ts';
import { assertFailure, bodyOf, configMap, eventually, microVm } from './objects.ts';
import { onEachTarget } from './scope.ts';

const group = 'vvm.tvm.github.com';

onEachTarget('deletion', (scope) => {
  const path = (name: string) => scope.path('microvms', name);
  const make = async (name: string, metadata: object = {}) =>
    bodyOf(await scope.api.create(scope.path('microvms'), microVm(name, { metadata })), 201);
  const isGone = async (of: string) => (await scope.api.get(of)).status === 404;
  const owner = ({ metadata }: ApiObject, more: object = {}) => ({
    ownerReferences: [
      { apiVersion: `${group}/v1alpha1`, kind: 'MicroVM', name: metadata.name, uid: metadata.uid, ...more },
    ],
  });
  const absent = { metadata: { name: 'absent', uid: '00000000-0000-4000-8000-000000000000' } };
  /** The collector sees objects of a kind in their order: once this one is collected, it knows all ConfigMaps made before. */
  const untilCollectorKnows = async (child: string) => {
    const mark = `after-${child}`;
    bodyOf(await scope.api.create(scope.path('configmaps'), configMap(mark, {}, owner(absent))), 201);
    await eventually(`${mark} is gone`, () => isGone(scope.path('configmaps', mark)));
  };

  test('preconditions on uid and resourceVersion', async () => {
    const { metadata } = await make('guarded');
    const wrongUid = await scope.api.delete(path('guarded'), { preconditions: { uid: 'other' } });
    assertFailure(wrongUid, {
      code: 409,
      reason: 'Conflict',
      message: `Operation cannot be fulfilled on MicroVM.${group} "guarded": the UID in the precondition (other) does not match the UID in record (${metadata.uid}). The object might have been deleted and then recreated`,
    });
    const wrongVersion = await scope.api.delete(path('guarded'), { preconditions: { resourceVersion: '1' } });
    assertFailure(wrongVersion, {
      code: 409,
      reason: 'Conflict',
      message: `Operation cannot be fulfilled on MicroVM.${group} "guarded": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (${metadata.resourceVersion}). The object might have been modified`,
    });
    const { uid, resourceVersion } = metadata;
    bodyOf(await scope.api.delete(path('guarded'), { preconditions: { uid, resourceVersion } }));
  });

  test('options that mean nothing', async () => {
    await make('kept');
    const message =
      'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Zork": supported values: "Foreground", "Background", "Orphan", "nil"';
    assertFailure(await scope.api.delete(path('kept'), { propagationPolicy: 'Zork' }), { code: 422, message });
    assertFailure(await scope.api.delete(path('kept'), undefined, { propagationPolicy: 'Zork' }), {
      code: 422,
      message,
    });
    assertFailure(await scope.api.delete(path('kept'), { orphanDependents: true, propagationPolicy: 'Orphan' }), {
      code: 422,
    });
    bodyOf(await scope.api.get(path('kept')));
  });

  test('a finalizer holds the object back until it is removed', async () => {
    await make('held', { finalizers: ['test.example/a', 'test.example/b'] });
    const held = bodyOf(await scope.api.delete(path('held')));
    assert.equal(held.kind, 'MicroVM');
    assert.ok(held.metadata.deletionTimestamp);
    assert.equal(held.metadata.deletionGracePeriodSeconds, 0);
    assert.equal(held.metadata.generation, 2);
    const again = bodyOf(await scope.api.delete(path('held')));
    assert.equal(again.metadata.resourceVersion, held.metadata.resourceVersion);
    const added = { metadata: { finalizers: [...held.metadata.finalizers, 'test.example/c'] } };
    assertFailure(await scope.api.patch(path('held'), 'merge', added), {
      code: 422,
      message:
        /no new finalizers can be added if the object is being deleted, found new finalizers \[\]string\{"test\.example\/c"\}/,
    });
    const undeleted = bodyOf(await scope.api.patch(path('held'), 'merge', { metadata: { deletionTimestamp: null } }));
    assert.equal(undeleted.metadata.deletionTimestamp, held.metadata.deletionTimestamp);
    bodyOf(await scope.api.patch(`${path('held')}/status`, 'merge', { status: { phase: 'Terminating' } }));
    const one = bodyOf(await scope.api.patch(path('held'), 'merge', { metadata: { finalizers: ['test.example/b'] } }));
    assert.equal(one.metadata.deletionTimestamp, held.metadata.deletionTimestamp);
    bodyOf(await scope.api.patch(path('held'), 'merge', { metadata: { finalizers: [] } }));
    assert.ok(await isGone(path('held')));
  });

  test('a collection is deleted by selector, and the answer lists what went', async () => {
    await make('sweep1', { labels: { sweep: 'yes' } });
    await make('sweep2', { labels: { sweep: 'yes' } });
    await make('stays', { labels: { sweep: 'no' } });
    const dry = bodyOf(
      await scope.api.delete(scope.path('microvms'), undefined, { labelSelector: 'sweep=yes', dryRun: 'All' }),
    );
    assert.equal(dry.items.length, 2);
    assert.ok(!(await isGone(path('sweep1'))));
    const swept = bodyOf(await scope.api.delete(scope.path('microvms'), undefined, { labelSelector: 'sweep=yes' }));
    assert.equal(swept.kind, 'MicroVMList');
    assert.deepEqual(
      swept.items.map((each: ApiObject) => each.metadata.name),
      ['sweep1', 'sweep2'],
    );
    assert.ok((await isGone(path('sweep1'))) && (await isGone(path('sweep2'))));
    assert.ok(!(await isGone(path('stays'))));
  });

  test('background: the owner goes at once, what it owns follows', async () => {
    const parent = await make('background');
    const child = bodyOf(
      await scope.api.create(scope.path('configmaps'), configMap('background', {}, owner(parent))),
      201,
    );
    const grandchild = await make('background-grandchild', {
      ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'background', uid: child.metadata.uid }],
    });
    bodyOf(await scope.api.delete(path('background'), { propagationPolicy: 'Background' }));
    assert.ok(await isGone(path('background')));
    await eventually('the child is gone', () => isGone(scope.path('configmaps', 'background')));
    await eventually('the grandchild is gone', () => isGone(path(grandchild.metadata.name)));
  });

  test('foreground: the owner waits for what blocks it', async () => {
    const parent = await make('foreground');
    const blocking = { ...owner(parent, { blockOwnerDeletion: true }), finalizers: ['test.example/hold'] };
    bodyOf(await scope.api.create(scope.path('configmaps'), configMap('foreground', {}, blocking)), 201);
    await untilCollectorKnows('foreground');
    const deleted = bodyOf(await scope.api.delete(path('foreground'), { propagationPolicy: 'Foreground' }));
    assert.deepEqual(deleted.metadata.finalizers, ['foregroundDeletion']);
    assert.ok(deleted.metadata.deletionTimestamp);
    await eventually('the child is being deleted', async () => {
      const { body } = await scope.api.get(scope.path('configmaps', 'foreground'));
      return body.metadata.deletionTimestamp;
    });
    assert.ok(!(await isGone(path('foreground'))));
    await scope.api.patch(scope.path('configmaps', 'foreground'), 'merge', { metadata: { finalizers: null } });
    await eventually('the owner is gone', () => isGone(path('foreground')));
  });

  test('orphan: what was owned stays, without the reference', async () => {
    const parent = await make('orphan');
    bodyOf(await scope.api.create(scope.path('configmaps'), configMap('orphan', {}, owner(parent))), 201);
    await untilCollectorKnows('orphan');
    bodyOf(await scope.api.delete(path('orphan'), undefined, { propagationPolicy: 'Orphan' }));
    await eventually('the owner is gone', () => isGone(path('orphan')));
    const left = await eventually('the child has no owner', async () => {
      const body = bodyOf(await scope.api.get(scope.path('configmaps', 'orphan')));
      return body.metadata.ownerReferences === undefined && body;
    });
    assert.equal(left.metadata.deletionTimestamp, undefined);
  });

  test('an object whose owner never was is collected; one with a second, living owner stays', async () => {
    const living = await make('living');
    bodyOf(await scope.api.create(scope.path('configmaps'), configMap('ownerless', {}, owner(absent))), 201);
    const { ownerReferences } = owner(absent);
    const both = { ownerReferences: [...ownerReferences, ...owner(living).ownerReferences] };
    bodyOf(await scope.api.create(scope.path('configmaps'), configMap('half-owned', {}, both)), 201);
    await eventually('the ownerless object is gone', () => isGone(scope.path('configmaps', 'ownerless')));
    const half = await eventually('the absent owner is forgotten', async () => {
      const { body } = await scope.api.get(scope.path('configmaps', 'half-owned'));
      return body.metadata.ownerReferences.length === 1 && body;
    });
    assert.equal(half.metadata.ownerReferences[0].name, 'living');
  });

  test('a namespace takes everything with it', async () => {
    const created = bodyOf(
      await scope.api.create('/api/v1/namespaces', { metadata: { generateName: 'doomed-' } }),
      201,
    );
    const name = created.metadata.name;
    assert.deepEqual(created.spec.finalizers, ['kubernetes']);
    assert.equal(created.metadata.labels['kubernetes.io/metadata.name'], name);
    const inside = `/apis/${group}/v1alpha1/namespaces/${name}/microvms`;
    bodyOf(await scope.api.create(inside, microVm('inside', { metadata: { finalizers: ['test.example/hold'] } })), 201);
    const terminating = bodyOf(await scope.api.delete(`/api/v1/namespaces/${name}`));
    assert.equal(terminating.status.phase, 'Terminating');
    assert.ok(terminating.metadata.deletionTimestamp);
    assertFailure(await scope.api.create(`/api/v1/namespaces/${name}/configmaps`, configMap('late')), {
      code: 403,
      reason: 'Forbidden',
      message: `configmaps "late" is forbidden: unable to create new content in namespace ${name} because it is being terminated`,
      details: {
        name: 'late',
        kind: 'configmaps',
        causes: [
          {
            reason: 'NamespaceTerminating',
            message: `namespace ${name} is being terminated`,
            field: 'metadata.namespace',
          },
        ],
      },
    });
    await eventually('the content is being deleted', async () => {
      const { body } = await scope.api.get(`${inside}/inside`);
      return body.metadata.deletionTimestamp;
    });
    bodyOf(await scope.api.patch(`${inside}/inside`, 'merge', { metadata: { finalizers: null } }));
    await eventually('the namespace is gone', () => isGone(`/api/v1/namespaces/${name}`));
  });
});
