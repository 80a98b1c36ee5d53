import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '@tvm/kit/clock.ts';
import type { ApiObject } from '../objects/api-object.ts';
import { createObject } from '../objects/create.ts';
import { changeObject } from '../objects/update.ts';
import { makeRegistry } from '../resources/registry.ts';
import { openDatabase } from '../store/database.ts';
import { Store } from '../store/store.ts';
import { ensureNamespaces } from './bootstrap.ts';
import { eventLifetimeMs, expireEvents } from './event-expiry.ts';

test('events go an hour after they were last written, other objects stay', () => {
  let nowMs = Date.parse('2026-01-01T00:00:00Z');
  const registry = makeRegistry();
  using store = new Store(openDatabase(':memory:'));
  const services = { store, registry, clock: { ...systemClock, now: () => nowMs } };
  ensureNamespaces(services);
  const requestFor = (storage: string, name: string) => ({
    resource: registry.ofStorage(storage),
    namespace: 'default',
    name,
    subresource: '',
    dryRun: false,
    manager: 't',
    fieldValidation: 'Ignore' as const,
    force: false,
    warnings: [],
  });
  const make = (storage: string, kind: string, name: string, managedFields: object[] = []): ApiObject => {
    const metadata = { name, managedFields };
    const object = { apiVersion: 'v1', kind, metadata, involvedObject: { namespace: 'default' } };
    return createObject(services, requestFor(storage, name), object);
  };
  const names = () =>
    store.page({ storage: 'events', revision: store.revision }).objects.map((one) => one.metadata.name);

  const repeated = make('events', 'Event', 'repeated');
  make('configmaps', 'ConfigMap', 'stays');
  for (let i = 0; i < 600; i += 1) make('events', 'Event', `once-${i}`);
  const lie = {
    manager: 'm',
    operation: 'Update',
    apiVersion: 'v1',
    time: '2999-01-01T00:00:00Z',
    fieldsV1: { 'f:reason': {} },
  };
  make('events', 'Event', 'once-and-forever', [lie]);
  nowMs += eventLifetimeMs;
  expireEvents(services);
  assert.equal(names().length, 602);
  changeObject(services, requestFor('events', 'repeated'), repeated, { ...repeated, count: 2 });
  nowMs += 1000;
  expireEvents(services);
  assert.deepEqual(names(), ['repeated']);
  nowMs += eventLifetimeMs;
  expireEvents(services);
  assert.deepEqual(names(), []);
  assert.ok(store.get({ storage: 'configmaps', namespace: 'default', name: 'stays' }));
});
