import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiObject } from '../objects/api-object.ts';
import type { Change, ChangeType } from '../store/change.ts';
import { eventFor } from './watch-events.ts';

const object = (wanted: boolean, version = '1'): ApiObject => ({
  apiVersion: 'v1',
  kind: 'T',
  metadata: { name: 'a', namespace: 'n', resourceVersion: version },
  wanted,
});
const change = (type: ChangeType, now: boolean, before?: boolean): Change => ({
  type,
  revision: 9,
  storage: 's',
  namespace: 'n',
  name: 'a',
  object: object(now, '9'),
  previous: before === undefined ? undefined : object(before),
});
const see = (one: Change, namespace = 'n') =>
  eventFor(
    one,
    namespace,
    (candidate) => candidate.wanted === true,
    (shown) => shown,
  );

test('entering a selection is ADDED, leaving it is DELETED at the new version', () => {
  assert.equal(see(change('ADDED', true))?.type, 'ADDED');
  assert.equal(see(change('ADDED', false)), undefined);
  assert.equal(see(change('MODIFIED', true, true))?.type, 'MODIFIED');
  assert.equal(see(change('MODIFIED', true, false))?.type, 'ADDED');
  assert.equal(see(change('MODIFIED', false, false)), undefined);
  const left = see(change('MODIFIED', false, true));
  assert.deepEqual([left?.type, left?.object.wanted, left?.object.metadata.resourceVersion], ['DELETED', true, '9']);
  assert.equal(see(change('DELETED', true, true))?.type, 'DELETED');
  assert.equal(see(change('DELETED', false, false)), undefined);
});

test('other namespaces are not seen', () => {
  assert.equal(see(change('ADDED', true), 'other'), undefined);
  assert.equal(see(change('ADDED', true), '')?.type, 'ADDED');
});
