// Tenants who attack each other: alice has all rights in namespace a, bob in b, mallory may exec in a.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { type Problem, type ServerControl, streamSubprotocol } from '@tvm/api/rest/stream.ts';
import { systemClock } from '@tvm/kit/clock.ts';
import { microVmPools, microVmSnapshots, microVms } from '@tvm/kit/kube/client.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { WebSocket } from 'ws';
import { makeKubernetesAccess } from '../access/kubernetes.ts';
import { routeRules } from '../access/route-rules.ts';
import { makeFakeReviews } from '../testing/fake-reviews.ts';
import { eventually, type Harness, microVm, postJson, startHarness } from '../testing/harness.ts';

const template = { spec: { image: 'tvm/python', cpu: 1, memory: 128 } };
const bodies: Record<string, unknown> = {
  'POST /v1/execute': { code: 'print x' },
  'POST /v1/microvms': { name: 'new', spec: template.spec },
  'POST /v1/microvms/{name}/files': { operation: 'makeDirectory', path: '/x' },
  'POST /v1/microvms/{name}/port-urls': { port: 80 },
  'POST /v1/microvms/{name}/snapshot': {},
  'POST /v1/microvms/{name}/fork': {},
  'POST /v1/pools': { name: 'new', spec: { template } },
  'POST /v1/sessions': {},
  'POST /v1/pools/{name}/scale': { minReady: 1 },
};

const operations = Object.keys(routeRules);
const isAboutWhole = (operation: string) => routeRules[operation]?.some((rule) => 'path' in rule);

async function setUp() {
  const reviews = makeFakeReviews();
  const log = makeLogger('test', 'silent');
  const access = makeKubernetesAccess({ client: reviews.client, clock: systemClock, log, audiences: [], cacheMs: 0 });
  const harness = await startHarness({ access });
  for (const name of ['alice', 'bob', 'mallory']) reviews.users.set(`token-of-${name}`, { username: name });
  for (const rule of Object.values(routeRules).flat()) {
    if ('path' in rule) continue;
    const what = `${rule.verb} ${rule.resource}${rule.subresource ? `/${rule.subresource}` : ''}`;
    reviews.allowed.add(`alice ${what} a`).add(`bob ${what} b`);
  }
  reviews.allowed.add('mallory create microvms/exec a');
  const vm = microVm('demo');
  await harness.kube.create(microVms, { ...vm, metadata: { name: 'demo', namespace: 'a' } });
  await eventually(() =>
    harness.fleet.machines().some(({ machine }) => machine.labels.name === 'demo' && machine.bootMs),
  );
  return { harness, reviews };
}

function ask(harness: Harness, operation: string, namespace: string | undefined, user: string): Promise<Response> {
  const [method = '', path = ''] = operation.split(' ');
  const body = bodies[operation];
  const query = new URLSearchParams({
    ...(namespace !== undefined && !isAboutWhole(operation) && { namespace }),
    ...(path.includes('/files') && method !== 'POST' && { path: '/etc/hostname' }),
  });
  const place = path.replace('{name}', 'demo').replace('{port}', '80').replace('{path}', '');
  return harness.fetch(`${place}?${query}`, {
    method: method === 'WATCH' || method === 'ANY' ? 'GET' : method,
    headers: {
      authorization: `Bearer token-of-${user}`,
      // There the query is the guest's.
      ...(method === 'ANY' && namespace !== undefined && { 'tvm-namespace': namespace }),
      ...(method === 'WATCH' && { accept: 'text/event-stream' }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

/** The status of a refusal before the upgrade, or the last message of the stream. */
function open(harness: Harness, path: string, token: string | undefined, first: unknown) {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const socket = new WebSocket(`${harness.url.replace('http', 'ws')}${path}`, streamSubprotocol, { headers });
  const messages: ServerControl[] = [];
  socket.on('open', () => socket.send(JSON.stringify(first)));
  socket.on('message', (data, binary) => binary || messages.push(JSON.parse(String(data))));
  const end = new Promise<number | ServerControl | undefined>((resolve) => {
    socket.on('unexpected-response', (_, response) => resolve(response.statusCode ?? 0));
    socket.on('close', () => resolve(messages.at(-1)));
    socket.on('error', () => {});
  });
  return { socket, messages, end };
}

test('every route: nothing without a token, nothing in the namespace of another', async () => {
  const { harness } = await setUp();
  await using _harness = harness;
  const before = JSON.stringify(await harness.kube.list(microVms, { namespace: 'a' }));
  for (const operation of operations.filter((each) => !each.startsWith('CONNECT'))) {
    const nobody = await ask(harness, operation, 'a', 'nobody');
    assert.equal(nobody.status, 401, operation);
    assert.equal(nobody.headers.get('www-authenticate'), 'Bearer realm="tvm", error="invalid_token"');
    const foreign = await ask(harness, operation, 'a', 'bob');
    const problem = (await foreign.json()) as Problem;
    assert.deepEqual(
      [foreign.status, problem.code, problem.reason],
      [403, 'permission_denied', 'Forbidden'],
      operation,
    );
    assert.match(
      problem.detail,
      isAboutWhole(operation)
        ? /User "bob" cannot get path/
        : /User "bob" cannot \w+ resource "[\w/]+" in API group "vvm.tvm.github.com" in the namespace "a"/,
    );
    const elsewhere = await ask(harness, operation, undefined, 'alice');
    assert.equal(elsewhere.status, 403, `${operation} in no namespace is in "default"`);
    await elsewhere.body?.cancel();
  }
  for (const path of [
    '/v1/execute?namespace=a',
    '/v1/microvms/demo/exec?namespace=a',
    '/v1/microvms/demo/tunnels/80?namespace=a',
  ]) {
    assert.equal(await open(harness, path, 'token-of-nobody', {}).end, 401);
    assert.equal(await open(harness, path, 'token-of-bob', {}).end, 403);
    assert.equal(await open(harness, path.replace('=a', '=default'), 'token-of-alice', {}).end, 403);
    assert.equal(await open(harness, `${path}&access_token=token-of-alice`, undefined, {}).end, 401);
    assert.equal(await open(harness, `${path}&token=token-of-alice`, 'token-of-alice', {}).end, 400);
  }
  assert.equal(JSON.stringify(await harness.kube.list(microVms, { namespace: 'a' })), before);
  assert.deepEqual((await harness.kube.list(microVmSnapshots)).items, []);
  assert.deepEqual((await harness.kube.list(microVmPools)).items, []);
});

test('a namespace that is smuggled in beside the one that is allowed', async () => {
  const { harness } = await setUp();
  await using _harness = harness;
  const headers = { authorization: 'Bearer token-of-bob' };
  const send = async (path: string, init: RequestInit = {}) =>
    (await harness.fetch(path, { ...init, headers: { ...(init.headers as object), ...headers } })).status;
  const inA = { name: 'mine', namespace: 'a', spec: template.spec };
  assert.equal(await send('/v1/microvms?namespace=b', postJson(inA)), 400);
  assert.equal(await send('/v1/microvms', postJson(inA)), 403);
  assert.equal(await send('/v1/pools?namespace=b', postJson({ ...inA, spec: { template } })), 400);
  assert.equal(await send('/v1/microvms?namespace=b&allNamespaces=true'), 403);
  assert.equal(await send('/v1/microvms?namespace=b&namespace=a'), 200, 'the first counts, here and in the check');
  assert.equal(await send('/v1/microvms/..%2fa%2fdemo?namespace=b'), 404);
  assert.equal(await send('/v1/microvms/a%2fdemo?namespace=b'), 404);
  assert.equal(await send('/v1/execute?namespace=b', postJson({ code: 'x', namespace: 'a' })), 400);
  assert.equal(await send('/v1/microvms/demo?namespace=b'), 404);
  assert.equal(await send('/v1/microvms/demo/files/content?namespace=b&path=/etc/shadow'), 404);
  const [uid] = harness.flintlock.machines.keys();
  assert.equal(await send(`/v1/microvms/${uid}?namespace=b`), 404, 'a uid is no name');
  assert.equal(await send('/v1/status?access_token=token-of-alice'), 400);
  const ours = await harness.fetch('/v1/microvms?namespace=b', { headers });
  assert.deepEqual(await ours.json(), { items: [] });
});

test('a watch tells of its own namespace alone', async () => {
  const { harness } = await setUp();
  await using _harness = harness;
  const stop = new AbortController();
  const headers = { authorization: 'Bearer token-of-bob', accept: 'text/event-stream' };
  const response = await harness.fetch('/v1/microvms?namespace=b', { headers, signal: stop.signal });
  assert.equal(response.status, 200);
  let text = '';
  const reading = (async () => {
    for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString();
  })();
  reading.catch(() => {});
  await harness.kube.patch(microVms, 'a', 'demo', { metadata: { labels: { secret: 'of-a' } } });
  await harness.kube.create(microVms, { ...microVm('own'), metadata: { name: 'own', namespace: 'b' } });
  await eventually(() => text.includes('"own"'));
  assert.doesNotMatch(text, /demo|of-a/);
  stop.abort();
});

test('an exec is attached to, and ended, by who started it alone', async () => {
  const { harness } = await setUp();
  await using _harness = harness;
  const path = '/v1/microvms/demo/exec?namespace=a';
  const alice = open(harness, path, 'token-of-alice', { argv: ['fake', 'hang'] });
  await eventually(() => alice.messages.some(({ type }) => type === 'started'));
  const started = alice.messages.find((each) => each.type === 'started');
  const stolen = { attach: started?.execId };
  const end = await open(harness, path, 'token-of-mallory', stolen).end;
  assert.ok(typeof end === 'object' && end.type === 'error');
  assert.deepEqual([end.problem.code, end.problem.reason], ['permission_denied', 'NotYourProcess']);
  const own = await open(harness, path, 'token-of-alice', stolen).end;
  // The fake keeps no processes: that it was asked is what counts.
  assert.ok(typeof own === 'object' && own.type === 'error' && own.problem.code === 'not_found');
  assert.equal(alice.socket.readyState, WebSocket.OPEN);
  alice.socket.close(1000);
  await alice.end;
});

test('an API server that is away: 503 with Retry-After, over HTTP and for streams', async () => {
  const { harness, reviews } = await setUp();
  await using _harness = harness;
  reviews.failure = () => new TvmError('unavailable', 'connection refused');
  const response = await ask(harness, 'POST /v1/execute', 'a', 'alice');
  assert.deepEqual([response.status, response.headers.get('retry-after')], [503, '5']);
  assert.equal(((await response.json()) as Problem).reason, 'NoReview');
  assert.equal(await open(harness, '/v1/execute?namespace=a', 'token-of-alice', { code: 'x' }).end, 503);
});

test('what is allowed works; no challenge of a wrong token without one', async () => {
  const { harness } = await setUp();
  await using _harness = harness;
  const response = await ask(harness, 'POST /v1/execute', 'a', 'alice');
  assert.equal(response.status, 200);
  const missing = await fetch(`${harness.url}/v1/microvms`);
  assert.deepEqual([missing.status, missing.headers.get('www-authenticate')], [401, 'Bearer realm="tvm"']);
  const huge = await fetch(`${harness.url}/v1/microvms`, {
    headers: { authorization: `Bearer ${'x'.repeat(12_000)}` },
  });
  assert.equal(huge.status, 401);
});

test('quota: a run too much is refused with Retry-After, a machine too much waits and says why', async () => {
  await using harness = await startHarness({ quota: { machines: 2, memory: 1024 * 1_048_576 } });
  const { kube } = harness;
  const phaseOf = async (name: string) => (await kube.get(microVms, 'default', name)).status;
  await Promise.all(['one', 'two', 'three'].map((name) => kube.create(microVms, microVm(name))));
  const standing = await eventually(async () => {
    const all = await Promise.all(['one', 'two', 'three'].map(phaseOf));
    if (all.filter((status) => status?.phase === 'Running').length !== 2) return undefined;
    return all.find((status) => status?.reason === 'QuotaExceeded');
  });
  assert.equal(standing.phase, 'Pending');
  assert.match(
    standing.message ?? '',
    /^vvm.tvm.github.com\/machines is limited to 2, 2 is used, 1 more is asked for$/,
  );
  assert.equal(standing.conditions?.find(({ type }) => type === 'Ready')?.reason, 'QuotaExceeded');
  assert.equal(harness.flintlock.machines.size, 2);
  const refused = await harness.fetch('/v1/execute', postJson({ code: 'print x' }));
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [429, '2']);
  assert.equal(((await refused.json()) as Problem).reason, 'QuotaExceeded');
  const elsewhere = await harness.fetch('/v1/execute?namespace=other', postJson({ code: 'print x' }));
  assert.equal(elsewhere.status, 200);
  const large = await harness.fetch('/v1/execute?namespace=other', postJson({ code: 'print x', memory: 1025 }));
  assert.match(((await large.json()) as Problem).detail, /quota of namespace other .*memory is limited to 1024 MB/);
  const template = { spec: { image: 'tvm/python', cpu: 1, memory: 128 } };
  await harness.fetch('/v1/pools', postJson({ name: 'greedy', namespace: 'other', spec: { minReady: 9, template } }));
  const greedy = await eventually(async () => {
    const { status } = await kube.get(microVmPools, 'other', 'greedy');
    return status?.ready === 2 ? status : undefined;
  });
  assert.match(greedy.conditions?.[0]?.message ?? '', /2 of 9 machines wait: the quota of the namespace lets 2 wait/);
  assert.equal((await harness.fetch('/v1/execute?namespace=other', postJson({ code: 'print x' }))).status, 429);
  const first = (
    await Promise.all(['one', 'two', 'three'].map(async (name) => ({ name, status: await phaseOf(name) })))
  ).find(({ status }) => status?.phase === 'Running');
  await kube.delete(microVms, 'default', first?.name ?? '');
  await eventually(async () => {
    const { items } = await kube.list(microVms);
    return items.length === 2 && items.every(({ status }) => status?.phase === 'Running');
  });
});
