// What a client learns first: health, version, groups, resources, OpenAPI.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiObject } from '../api-client.ts';
import { assertFailure, bodyOf } from './objects.ts';
import { onEachTarget } from './scope.ts';

const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const kubectlAccept = `${aggregated},application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json`;
const group = 'vvm.tvm.github.com';
const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

onEachTarget('discovery', (scope) => {
  for (const path of ['/healthz', '/livez', '/readyz']) {
    test(`${path} says ok`, async () => {
      const answer = await scope.api.get(path);
      assert.equal(answer.status, 200);
      assert.equal(answer.text, 'ok');
    });
  }

  test('/version names a version that kubectl can read', async () => {
    const version = bodyOf(await scope.api.get('/version'));
    assert.equal(version.major, '1');
    assert.match(version.minor, /^\d+\+?$/);
    assert.match(version.gitVersion, /^v1\.\d+\.\d+/);
    assert.equal(typeof version.platform, 'string');
  });

  test('/api and /apis list versions and groups', async () => {
    const core = bodyOf(await scope.api.get('/api'));
    assert.equal(core.kind, 'APIVersions');
    assert.deepEqual(core.versions, ['v1']);
    const groups = bodyOf(await scope.api.get('/apis'));
    assert.equal(groups.kind, 'APIGroupList');
    const version = { groupVersion: `${group}/v1alpha1`, version: 'v1alpha1' };
    const ours = groups.groups.find((each: ApiObject) => each.name === group);
    assert.deepEqual(ours, { name: group, versions: [version], preferredVersion: version });
    assert.ok(groups.groups.some((each: ApiObject) => each.name === 'coordination.k8s.io'));
    const alone = bodyOf(await scope.api.get(`/apis/${group}`));
    assert.deepEqual(alone, { kind: 'APIGroup', apiVersion: 'v1', ...ours });
  });

  test('the custom group lists its kinds with names, verbs and subresources', async () => {
    const list = bodyOf(await scope.api.get(`/apis/${group}/v1alpha1`));
    assert.equal(list.kind, 'APIResourceList');
    assert.equal(list.groupVersion, `${group}/v1alpha1`);
    const byName = new Map<string, ApiObject>(list.resources.map((each: ApiObject) => [each.name, each]));
    const expected = ['mcpsessions', 'microvmpools', 'microvms', 'microvmsnapshots'].flatMap((name) => [
      name,
      `${name}/status`,
    ]);
    assert.deepEqual([...byName.keys()].sort(), [...expected, 'microvmpools/scale'].sort());
    const { storageVersionHash: _, ...microVms } = byName.get('microvms');
    assert.deepEqual(
      { ...microVms, verbs: microVms.verbs.toSorted() },
      {
        name: 'microvms',
        singularName: 'microvm',
        namespaced: true,
        kind: 'MicroVM',
        verbs,
        shortNames: ['mvm'],
        categories: ['all', 'tvm'],
      },
    );
    assert.deepEqual(byName.get('microvmpools/scale'), {
      name: 'microvmpools/scale',
      singularName: '',
      namespaced: true,
      group: 'autoscaling',
      version: 'v1',
      kind: 'Scale',
      verbs: ['get', 'patch', 'update'],
    });
  });

  test('the core kinds are there', async () => {
    const core = bodyOf(await scope.api.get('/api/v1'));
    const find = (name: string) => core.resources.find((each: ApiObject) => each.name === name);
    assert.equal(find('namespaces').namespaced, false);
    assert.deepEqual(find('namespaces').shortNames, ['ns']);
    assert.deepEqual(find('configmaps').shortNames, ['cm']);
    assert.equal(find('secrets').kind, 'Secret');
    assert.deepEqual(find('events').shortNames, ['ev']);
    const leases = bodyOf(await scope.api.get('/apis/coordination.k8s.io/v1'));
    assert.equal(leases.resources.find((each: ApiObject) => each.name === 'leases').kind, 'Lease');
  });

  test('aggregated discovery says the same in one answer', async () => {
    const answer = await scope.api.get('/apis', {}, { accept: kubectlAccept });
    const list = bodyOf(answer);
    assert.equal(answer.headers['content-type'], aggregated);
    assert.equal(list.kind, 'APIGroupDiscoveryList');
    assert.equal(list.apiVersion, 'apidiscovery.k8s.io/v2');
    const ours = list.items.find((each: ApiObject) => each.metadata.name === group);
    const [version] = ours.versions;
    assert.equal(version.version, 'v1alpha1');
    assert.equal(version.freshness, 'Current');
    const pools = version.resources.find((each: ApiObject) => each.resource === 'microvmpools');
    assert.deepEqual(
      { ...pools, verbs: pools.verbs.toSorted() },
      {
        resource: 'microvmpools',
        responseKind: { group, version: 'v1alpha1', kind: 'MicroVMPool' },
        scope: 'Namespaced',
        singularResource: 'microvmpool',
        verbs,
        shortNames: ['mvmpool'],
        categories: ['tvm'],
        subresources: [
          {
            subresource: 'status',
            responseKind: { group, version: 'v1alpha1', kind: 'MicroVMPool' },
            verbs: ['get', 'patch', 'update'],
          },
          {
            subresource: 'scale',
            responseKind: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
            verbs: ['get', 'patch', 'update'],
          },
        ],
      },
    );
  });

  test('aggregated discovery of the core group', async () => {
    const list = bodyOf(await scope.api.get('/api', {}, { accept: kubectlAccept }));
    const resources: ApiObject[] = list.items[0].versions[0].resources;
    const namespaces = resources.find((each) => each.resource === 'namespaces');
    assert.equal(namespaces.scope, 'Cluster');
    assert.equal(namespaces.responseKind.kind, 'Namespace');
    assert.equal(resources.find((each) => each.resource === 'secrets').scope, 'Namespaced');
  });

  test('without a token only forbidden or unauthorized; a wrong one is unauthorized', async () => {
    const path = scope.path('microvms');
    const wrong = await scope.api.get(path, {}, { token: 'wrong' });
    assertFailure(wrong, { code: 401, reason: 'Unauthorized', message: 'Unauthorized' });
    const none = await scope.api.get(path, {}, { token: '' });
    assert.ok([401, 403].includes(none.status), none.text);
    assert.equal(none.body.kind, 'Status');
  });

  test('who asks for the rights of another is not answered with all rights', async () => {
    const answer = await scope.api.get(scope.path('secrets'), {}, { headers: { 'impersonate-user': 'bob' } });
    assertFailure(answer, { code: 403, reason: 'Forbidden' });
  });

  test('unknown groups, resources and paths are 404', async () => {
    for (const path of ['/apis/none', '/none', `/apis/${group}/v1alpha1/none`, `/apis/${group}/v9/microvms`]) {
      assert.equal((await scope.api.get(path)).status, 404, path);
    }
  });
});
