import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { systemClock } from '@tvm/kit/clock.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import type { ApiObject, OwnerReference } from '../objects/api-object.ts';
import { createObject } from '../objects/create.ts';
import { type DeleteOptions, deleteObject } from '../objects/delete.ts';
import type { Services } from '../objects/services.ts';
import { makeRegistry } from '../resources/registry.ts';
import { openDatabase } from '../store/database.ts';
import { Store } from '../store/store.ts';
import { ensureNamespaces } from './bootstrap.ts';
import { startCollector } from './collector.ts';

const registry = makeRegistry();
const resource = registry.ofStorage('configmaps');
let services: Services;
let collector: Disposable;

describe('collector', () => {
  beforeEach(() => {
    services = { store: new Store(openDatabase(':memory:')), registry, clock: systemClock };
    ensureNamespaces(services);
    collector = startCollector(services, makeLogger('test', 'silent'));
  });
  afterEach(() => {
    collector[Symbol.dispose]();
    services.store[Symbol.dispose]();
  });

  const target = (name: string) => ({ resource, namespace: 'default', name, subresource: '' });
  const get = (name: string) => services.store.get({ storage: 'configmaps', namespace: 'default', name });
  const remove = (name: string, options: DeleteOptions = {}) => deleteObject(services, target(name), options);

  function make(name: string, ownerReferences: OwnerReference[] = [], finalizers: string[] = []): ApiObject {
    const options = { dryRun: false, manager: 't', fieldValidation: 'Ignore' as const, force: false, warnings: [] };
    const metadata = { name, ownerReferences, finalizers };
    return createObject(services, { ...target(''), ...options }, { apiVersion: 'v1', kind: 'ConfigMap', metadata });
  }

  const ownedBy = (owner: ApiObject, more: Partial<OwnerReference> = {}): OwnerReference => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    name: owner.metadata.name ?? '',
    uid: owner.metadata.uid ?? '',
    ...more,
  });

  /** The collector works a step a turn of the event loop. */
  async function settled(): Promise<void> {
    for (let turn = 0; turn < 100; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  test('what is owned by the gone alone goes, through generations', async () => {
    const owner = make('owner');
    const child = make('child', [ownedBy(owner)]);
    make('grandchild', [ownedBy(child)]);
    const other = make('other');
    make('shared', [ownedBy(owner), ownedBy(other)]);
    remove('owner');
    await settled();
    assert.equal(get('child'), undefined);
    assert.equal(get('grandchild'), undefined);
    assert.deepEqual(get('shared')?.metadata.ownerReferences, [ownedBy(other)]);
  });

  test('an owner that never was, or was another object of the name, is no owner', async () => {
    const owner = make('owner');
    make('stranger', [ownedBy(owner, { uid: 'zork' })]);
    make('misnamed', [ownedBy(owner, { name: 'zork' })]);
    make('foreign', [ownedBy(owner, { apiVersion: 'example.com/v1', kind: 'Zork' })]);
    await settled();
    assert.equal(get('stranger'), undefined);
    assert.equal(get('misnamed'), undefined);
    assert.ok(get('foreign'), 'a kind that the server does not know is never reason to delete');
  });

  test('foreground: the owner waits for those that block it', async () => {
    const owner = make('owner');
    make('child', [ownedBy(owner, { blockOwnerDeletion: true })], ['test.example/hold']);
    remove('owner', { propagationPolicy: 'Foreground' });
    await settled();
    assert.ok(get('owner')?.metadata.deletionTimestamp);
    const child = get('child');
    assert.ok(child?.metadata.deletionTimestamp);
    services.store.remove('configmaps', child, child);
    await settled();
    assert.equal(get('owner'), undefined);
  });

  test('orphan: dependents stay and forget the owner', async () => {
    const owner = make('owner');
    make('child', [ownedBy(owner)]);
    remove('owner', { propagationPolicy: 'Orphan' });
    await settled();
    assert.equal(get('owner'), undefined);
    assert.equal(get('child')?.metadata.ownerReferences, undefined);
  });

  test('a collector that starts finishes what an earlier one left', async () => {
    collector[Symbol.dispose]();
    const owner = make('owner');
    make('child', [ownedBy(owner)]);
    remove('owner');
    await settled();
    assert.ok(get('child'));
    collector = startCollector(services, makeLogger('test', 'silent'));
    await settled();
    assert.equal(get('child'), undefined);
  });
});
