// Access against real API servers: the administrator on each, service accounts and Roles where there are such.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@tvm/kit/clock.ts';
import { type HttpsKubeClient, makeHttpsClient } from '@tvm/kit/kube/https-client.ts';
import { loadKubeConfig } from '@tvm/kit/kube/kube-config.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { eventually } from '../../test/api/objects.ts';
import { onEachTarget } from '../../test/api/scope.ts';
import { readKubeconfig } from '../../test/cluster/kubeconfig.ts';
import { limitsOf, resourceQuotas } from '../quota/limits.ts';
import { withUsed } from '../quota/report.ts';
import type { Access, Question } from './access.ts';
import { makeKubernetesAccess } from './kubernetes.ts';
import { questionsOf, routeRules } from './route-rules.ts';

const rbac = '/apis/rbac.authorization.k8s.io/v1';
const group = 'vvm.tvm.github.com';

onEachTarget('access', (scope) => {
  let client: HttpsKubeClient;
  before(() => {
    client = makeHttpsClient(loadKubeConfig(scope.server.kubeconfig));
  });
  after(() => client[Symbol.dispose]());

  const accessFor = (audiences: string[] = [], cacheMs = 0): Access =>
    makeKubernetesAccess({ client, clock: systemClock, log: makeLogger('test', 'silent'), audiences, cacheMs });
  const everything = (namespace: string): Question[] =>
    Object.values(routeRules).flatMap((rules) => questionsOf(rules, { namespace, name: 'demo' }));

  test('the administrator may all; a token that is none is nobody', async () => {
    const { token } = await readKubeconfig(scope.server.kubeconfig);
    const access = accessFor();
    const caller = await access.authenticate(`Bearer ${token}`);
    assert.equal(caller.user, 'admin');
    assert.ok(caller.groups.includes('system:masters'));
    await access.authorize(caller, [...everything(scope.namespace), ...everything('')]);
    for (const wrong of ['made-up', 'a.b.c', 'x'.repeat(8000)]) {
      await assert.rejects(access.authenticate(`Bearer ${wrong}`), { code: 'unauthenticated' }, wrong);
    }
  });

  test('the token of another audience is nobody', async () => {
    const { token } = await readKubeconfig(scope.server.kubeconfig);
    await assert.rejects(accessFor(['tvm']).authenticate(`Bearer ${token}`), { code: 'unauthenticated' });
    const both = accessFor(['tvm', 'https://kubernetes.default.svc']);
    assert.equal((await both.authenticate(`Bearer ${token}`)).user, 'admin');
  });

  test('whom nobody gave a right has none', async () => {
    const access = accessFor();
    for (const question of everything(scope.namespace)) {
      const eve = { user: 'eve', groups: ['system:authenticated'] };
      await assert.rejects(access.authorize(eve, [question]), { code: 'permission_denied' }, JSON.stringify(question));
    }
  });

  test('service accounts have what Roles give them, where they give it', async (context) => {
    if (scope.target === 'embedded') return context.skip('it has no service accounts and no Roles');
    const account = await makeAccount('runner', [
      { apiGroups: [group], resources: ['microvms'], verbs: ['get', 'list'] },
      { apiGroups: [group], resources: ['microvms/execute'], verbs: ['create'] },
      { apiGroups: [group], resources: ['microvms/exec'], verbs: ['create'], resourceNames: ['demo'] },
    ]);
    const access = accessFor();
    const caller = await access.authenticate(`Bearer ${await account.token()}`);
    assert.equal(caller.user, `system:serviceaccount:${scope.namespace}:runner`);
    const may = (operation: string, namespace = scope.namespace, name = 'demo') =>
      access.authorize(caller, questionsOf(routeRules[operation] ?? [], { namespace, name })).then(
        () => true,
        (error) => error.code !== 'permission_denied',
      );
    // The API server learns of Roles a little after it has stored them.
    await eventually('the Role counts', () => may('GET /v1/microvms'));
    for (const operation of ['POST /v1/execute', 'GET /v1/microvms', 'CONNECT /v1/microvms/{name}/exec']) {
      assert.equal(await may(operation), true, operation);
      assert.equal(await may(operation, 'default'), false, `${operation} in another namespace`);
      assert.equal(await may(operation, ''), false, `${operation} everywhere`);
    }
    assert.equal(await may('CONNECT /v1/microvms/{name}/exec', scope.namespace, 'other'), false);
    for (const operation of [
      'POST /v1/microvms',
      'GET /v1/microvms/{name}/files',
      'WATCH /v1/microvms',
      'GET /v1/status',
    ]) {
      assert.equal(await may(operation), false, operation);
    }
  });

  test('the Roles that docs/access.md shows are made by an ordinary kubectl', async (context) => {
    if (scope.target === 'embedded') return context.skip('it has no Roles');
    const kubectl = async (...args: string[]) => {
      const { exitCode, stdout, stderr } = await scope.kubectl(args);
      assert.equal(exitCode, 0, stderr);
      return stdout.trim();
    };
    const account = await makeAccount('ci', []);
    const asked = ['auth', 'can-i', 'create', 'microvms.vvm.tvm.github.com', '--subresource', 'execute'];
    const as = `system:serviceaccount:${scope.namespace}:ci`;
    await kubectl('create', 'role', 'executor', '--verb=create', '--resource=microvms.vvm.tvm.github.com/execute');
    await kubectl('create', 'rolebinding', 'ci-runs', '--role=executor', `--serviceaccount=${scope.namespace}:ci`);
    // The API server learns of Roles a little after it has stored them.
    await eventually('the Role counts', async () => (await scope.kubectl([...asked, '--as', as])).exitCode === 0);
    assert.equal(await kubectl(...asked, '--as', as), 'yes');
    const caller = await accessFor().authenticate(`Bearer ${await kubectl('create', 'token', 'ci')}`);
    const rules = routeRules['POST /v1/execute'] ?? [];
    await accessFor().authorize(caller, questionsOf(rules, { namespace: scope.namespace }));
    await account.remove();
  });

  test('tokens for an audience of our own, and tokens that were revoked', async (context) => {
    if (scope.target === 'embedded') return context.skip('it has no service accounts');
    const account = await makeAccount('agent', []);
    const [plain, ours] = [await account.token(), await account.token(['tvm'])];
    const user = `system:serviceaccount:${scope.namespace}:agent`;
    assert.equal((await accessFor(['tvm']).authenticate(`Bearer ${ours}`)).user, user);
    await assert.rejects(accessFor(['tvm']).authenticate(`Bearer ${plain}`), { code: 'unauthenticated' });
    await assert.rejects(accessFor().authenticate(`Bearer ${ours}`), { code: 'unauthenticated' });
    const cached = accessFor([], 60_000);
    await cached.authenticate(`Bearer ${plain}`);
    await account.remove();
    assert.equal((await cached.authenticate(`Bearer ${plain}`)).user, user, 'for as long as an answer is used');
    // The API server itself remembers tokens for ten seconds.
    const isAccepted = () =>
      accessFor()
        .authenticate(`Bearer ${plain}`)
        .then(
          () => true,
          ({ code }) => code !== 'unauthenticated',
        );
    const deadlineMs = Date.now() + 30_000;
    while (await isAccepted()) {
      assert.ok(Date.now() < deadlineMs, 'still accepted');
      await sleep(250);
    }
  });

  test('a ResourceQuota with limits of our own is kept as it is', async (context) => {
    if (scope.target === 'embedded') return context.skip('it has no ResourceQuotas');
    const hard = { [`${group}/machines`]: '20', [`${group}/cpu`]: '40', [`${group}/memory`]: '64Gi' };
    const count = { [`count/microvms.${group}`]: '100' };
    const path = `/api/v1/namespaces/${scope.namespace}/resourcequotas`;
    const metadata = { name: 'tvm' };
    const created = await scope.api.create(path, { metadata, spec: { hard: { ...hard, ...count } } });
    assert.equal(created.status, 201, created.text);
    const { items } = await client.list(resourceQuotas, { namespace: scope.namespace });
    assert.deepEqual(limitsOf(items, {}), { machines: 20, cpu: 40, memory: 2 ** 36 });
    const [found] = items;
    const told = found && withUsed(found, { machines: 1, cpu: 2, memory: 2 ** 30 });
    assert.ok(told);
    const { status } = await client.updateStatus(resourceQuotas, told);
    assert.deepEqual(status?.used, { [`${group}/machines`]: '1', [`${group}/cpu`]: '2', [`${group}/memory`]: '1Gi' });
    const wrong = { metadata: { name: 'wrong' }, spec: { hard: { [`${group}/cpu`]: '-1' } } };
    assert.equal((await scope.api.create(path, wrong)).status, 422);
  });

  async function makeAccount(name: string, rules: object[]) {
    const accounts = `/api/v1/namespaces/${scope.namespace}/serviceaccounts`;
    const own = `${rbac}/namespaces/${scope.namespace}`;
    const made = [
      await scope.api.create(accounts, { metadata: { name } }),
      await scope.api.create(`${own}/roles`, { metadata: { name }, rules }),
      await scope.api.create(`${own}/rolebindings`, {
        metadata: { name },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
        subjects: [{ kind: 'ServiceAccount', name, namespace: scope.namespace }],
      }),
    ];
    for (const answer of made) assert.equal(answer.status, 201, answer.text);
    return {
      async token(audiences?: string[]): Promise<string> {
        const spec = { expirationSeconds: 600, ...(audiences && { audiences }) };
        const answer = await scope.api.create(`${accounts}/${name}/token`, { spec });
        assert.equal(answer.status, 201, answer.text);
        return answer.body.status.token;
      },
      remove: () => scope.api.delete(`${accounts}/${name}`),
    };
  }
});
