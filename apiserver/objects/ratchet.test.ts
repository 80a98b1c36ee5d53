// Objects that were stored under a looser schema, as test/api/stored-before.api.test.ts has them on a real server.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { systemClock } from '@tvm/kit/clock.ts';
import { ensureNamespaces } from '../collector/bootstrap.ts';
import { makeRegistry } from '../resources/registry.ts';
import { StatusError } from '../status/status-error.ts';
import { openDatabase } from '../store/database.ts';
import { Store } from '../store/store.ts';
import type { ApiObject } from './api-object.ts';
import { deleteObject } from './delete.ts';
import type { WriteRequest } from './request.ts';
import type { Services } from './services.ts';
import { replaceObject } from './update.ts';

const registry = makeRegistry();
const resource = registry.ofStorage('vvm.tvm.github.com/microvms');
let services: Services;

describe('ratchet', () => {
  beforeEach(() => {
    services = { store: new Store(openDatabase(':memory:')), registry, clock: systemClock };
    ensureNamespaces(services);
  });
  afterEach(() => services.store[Symbol.dispose]());

  const name = 'a'.repeat(70);
  const key = { storage: resource.storage, namespace: 'default', name };
  const request = (subresource = ''): WriteRequest => ({
    ...{ resource, namespace: 'default', name, subresource, dryRun: false },
    ...{ manager: 'test', fieldValidation: 'Ignore', force: false, warnings: [] },
  });

  function store(spec: object): void {
    const metadata = {
      name,
      namespace: 'default',
      uid: 'u',
      generation: 1,
      finalizers: ['vvm.tvm.github.com/machine'],
    };
    services.store.insert(resource.storage, {
      apiVersion: 'vvm.tvm.github.com/v1alpha1',
      kind: 'MicroVM',
      metadata,
      spec,
    });
  }

  function change(edit: (object: ApiObject) => object, subresource = ''): ApiObject {
    const live = services.store.get(key) as ApiObject;
    return replaceObject(services, request(subresource), { ...live, ...edit(live) });
  }

  const refusal = (pattern: RegExp) => (error: unknown) => error instanceof StatusError && pattern.test(error.message);
  // Neither is the default of desiredState there, which is newer than the object.
  const wrong = { image: 'two words', cpu: 99, memory: 256, onIdle: 'Stop', ttlSeconds: -1 };

  test('what is wrong and stays as it is does not keep the rest from changing', () => {
    store(wrong);
    assert.deepEqual(change(() => ({ status: { phase: 'Failed' } }), 'status').status, { phase: 'Failed' });
    change(({ metadata }) => ({ metadata: { ...metadata, labels: { a: 'b' } } }));
    const edit = (more: object) => () => ({ spec: { ...wrong, ...more } });
    assert.throws(() => change(edit({ ttlSeconds: -2 })), refusal(/spec\.ttlSeconds: Invalid value: -2/));
    assert.throws(() => change(edit({ memory: 1 })), refusal(/spec\.memory: Invalid value: 1/));
    assert.throws(
      () => change(edit({ desiredState: 'Stopped' })),
      refusal(/spec\.onIdle: Invalid value: onIdle needs idleTimeoutSeconds/),
    );
  });

  test('it is deleted as any other', () => {
    store(wrong);
    deleteObject(services, request(), {});
    change(({ metadata }) => ({ metadata: { ...metadata, finalizers: [] } }));
    assert.equal(services.store.get(key), undefined);
  });

  test('a list with two items of one key may keep them, and items with other faults', () => {
    const env = [{ name: 'A' }, { name: 'A', value: '2' }, { name: '1' }];
    store({ image: 'a', cpu: 1, memory: 256, env });
    const edit = (list: object[]) => () => ({ spec: { image: 'a', cpu: 1, memory: 256, env: list } });
    change(edit([...env, { name: 'B' }]));
    assert.throws(() => change(edit([...env, { name: '2' }])), refusal(/spec\.env\[3\]\.name: Invalid value: "2"/));
    change(edit([{ name: 'A' }]));
    assert.throws(() => change(edit([{ name: 'A' }, { name: 'A' }])), refusal(/spec\.env\[1\]: Duplicate value/));
  });
});
