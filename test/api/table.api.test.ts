// Tables, which kubectl get prints, and objects reduced to their metadata.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { ApiObject } from '../api-client.ts';
import { assertFailure, bodyOf, configMap, microVm } from './objects.ts';
import { onEachTarget } from './scope.ts';

const asTable =
  'application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json';
const ageCell = /^\d+(s|m\d*s?)$/;

onEachTarget('tables', (scope) => {
  const table = async (path: string, query = {}) => bodyOf(await scope.api.get(path, query, { accept: asTable }));
  const columns = (of: ApiObject): string[] =>
    of.columnDefinitions.map((each: ApiObject) => `${each.name}:${each.type}:${each.priority}`);

  before(async () => {
    bodyOf(await scope.api.create(scope.path('microvms'), microVm('t1', { spec: { cpu: 2 } })), 201);
    bodyOf(await scope.api.create(scope.path('microvms'), microVm('t2')), 201);
    const status = { phase: 'Running', host: 'n1', bootMs: 720, reason: 'Started', message: 'all is well' };
    bodyOf(await scope.api.patch(scope.path('microvms', 't1', 'status'), 'merge', { status }));
    bodyOf(await scope.api.create(scope.path('configmaps'), configMap('t', { a: '1', b: '2' })), 201);
  });

  test('the columns of a custom kind', async () => {
    const answer = await table(scope.path('microvms'));
    assert.equal(answer.kind, 'Table');
    assert.equal(answer.apiVersion, 'meta.k8s.io/v1');
    assert.match(answer.metadata.resourceVersion, /^\d+$/);
    assert.deepEqual(columns(answer), [
      'Name:string:0',
      'Phase:string:0',
      'Image:string:0',
      'CPU:integer:0',
      'Memory:integer:0',
      'Host:string:0',
      'Boot-ms:integer:0',
      'Reason:string:0',
      'Age:date:0',
      'Desired:string:1',
      'Snapshot:string:1',
      'Restarts:integer:1',
      'Message:string:1',
    ]);
    assert.equal(answer.columnDefinitions[0].format, 'name');
    assert.equal(answer.columnDefinitions[4].description, 'MB');
  });

  test('the rows of a custom kind', async () => {
    const { rows } = await table(scope.path('microvms'));
    const [first, second] = rows.map(({ cells }: ApiObject) => cells);
    assert.match(first[8], ageCell);
    assert.deepEqual(first.toSpliced(8, 1), [
      't1',
      'Running',
      'tvm/python',
      2,
      256,
      'n1',
      720,
      'Started',
      'Running',
      null,
      null,
      'all is well',
    ]);
    assert.deepEqual(second.toSpliced(8, 1), [
      't2',
      null,
      'tvm/python',
      1,
      256,
      null,
      null,
      null,
      'Running',
      null,
      null,
      null,
    ]);
    const { object } = rows[0];
    assert.equal(object.kind, 'PartialObjectMetadata');
    assert.equal(object.apiVersion, 'meta.k8s.io/v1');
    assert.equal(object.metadata.name, 't1');
    assert.equal(object.spec, undefined);
  });

  test('one object, with all of it or none of it', async () => {
    const one = await table(scope.path('microvms', 't1'), { includeObject: 'Object' });
    assert.equal(one.rows.length, 1);
    assert.equal(one.rows[0].object.kind, 'MicroVM');
    assert.equal(one.rows[0].object.spec.cpu, 2);
    const none = await table(scope.path('microvms', 't1'), { includeObject: 'None' });
    assert.equal(none.rows[0].object ?? null, null);
    const wrong = await scope.api.get(scope.path('microvms', 't1'), { includeObject: 'Zork' }, { accept: asTable });
    assertFailure(wrong, { code: 400, reason: 'BadRequest', message: /includeObject: Invalid value: "Zork": must be/ });
  });

  test('pages of a table', async () => {
    const page = await table(scope.path('microvms'), { limit: 1 });
    assert.equal(page.rows.length, 1);
    assert.equal(page.metadata.remainingItemCount, 1);
    const next = await table(scope.path('microvms'), { limit: 1, continue: page.metadata.continue });
    assert.equal(next.rows[0].cells[0], 't2');
  });

  test('core kinds have columns of their own', async () => {
    const maps = await table(scope.path('configmaps', 't'));
    assert.deepEqual(columns(maps), ['Name:string:0', 'Data:string:0', 'Age:string:0']);
    assert.deepEqual(maps.rows[0].cells.slice(0, 2), ['t', 2]);
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 't' }, data: { a: 'aGk=' } };
    bodyOf(await scope.api.create(scope.path('secrets'), secret), 201);
    const secrets = await table(scope.path('secrets', 't'));
    assert.deepEqual(columns(secrets), ['Name:string:0', 'Type:string:0', 'Data:string:0', 'Age:string:0']);
    assert.deepEqual(secrets.rows[0].cells.slice(0, 3), ['t', 'Opaque', 1]);
    const namespace = await table(`/api/v1/namespaces/${scope.namespace}`);
    assert.deepEqual(columns(namespace), ['Name:string:0', 'Status:string:0', 'Age:string:0']);
    assert.deepEqual(namespace.rows[0].cells.slice(0, 2), [scope.namespace, 'Active']);
  });

  test('Events and Leases', async () => {
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 't' },
      involvedObject: { kind: 'MicroVM', name: 't1', namespace: scope.namespace },
      reason: 'Started',
      message: 'hi',
      type: 'Normal',
      count: 3,
      lastTimestamp: new Date().toISOString().replace(/\.\d+/, ''),
      source: { component: 'lime-ctrl' },
    };
    bodyOf(await scope.api.create(scope.path('events'), event), 201);
    const events = await table(scope.path('events', 't'));
    assert.deepEqual(
      events.columnDefinitions.map((each: ApiObject) => `${each.name}:${each.priority}`),
      [
        'Last Seen:0',
        'Type:0',
        'Reason:0',
        'Object:0',
        'Subobject:1',
        'Source:1',
        'Message:0',
        'First Seen:1',
        'Count:1',
        'Name:1',
      ],
    );
    const { cells } = events.rows[0];
    assert.match(cells[0], ageCell);
    assert.deepEqual(cells.slice(1, 7), ['Normal', 'Started', 'microvm/t1', '', 'lime-ctrl', 'hi']);
    assert.deepEqual(cells.slice(8), [3, 't']);
    const lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: 't' },
      spec: { holderIdentity: 'me' },
    };
    bodyOf(await scope.api.create(scope.path('leases'), lease), 201);
    const leases = await table(scope.path('leases', 't'));
    assert.deepEqual(columns(leases), ['Name:string:0', 'Holder:string:0', 'Age:string:0']);
    assert.deepEqual(leases.rows[0].cells.slice(0, 2), ['t', 'me']);
  });

  test('metadata alone', async () => {
    const accept = (kind: string) => ({ accept: `application/json;as=${kind};v=v1;g=meta.k8s.io` });
    const list = bodyOf(await scope.api.get(scope.path('microvms'), {}, accept('PartialObjectMetadataList')));
    assert.equal(list.kind, 'PartialObjectMetadataList');
    assert.equal(list.apiVersion, 'meta.k8s.io/v1');
    assert.deepEqual(
      list.items.map((each: ApiObject) => [each.kind, each.metadata.name, each.spec]),
      [
        ['PartialObjectMetadata', 't1', undefined],
        ['PartialObjectMetadata', 't2', undefined],
      ],
    );
    const one = bodyOf(await scope.api.get(scope.path('microvms', 't1'), {}, accept('PartialObjectMetadata')));
    assert.equal(one.kind, 'PartialObjectMetadata');
    assert.ok(one.metadata.uid);
    assert.equal(one.spec, undefined);
  });
});
