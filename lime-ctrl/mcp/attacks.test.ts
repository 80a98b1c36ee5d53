// Attacks on the gateway: tokens of others, of elsewhere, forged, late, misplaced; other sites' pages; probing for sessions.
import assert from 'node:assert/strict';
import { createHmac, createSecretKey } from 'node:crypto';
import { request } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import type { McpSession } from '@tvm/api/kinds/mcp-session.ts';
import { mcpSessions, secrets } from '@tvm/kit/kube/client.ts';
import { SignJWT } from 'jose';
import type { Echo } from '../testing/echo-handlers.ts';
import { eventually, type Harness, postJson, startHarness, testToken } from '../testing/harness.ts';
import { makeSession, tokenOf, urlOf } from '../testing/sessions.ts';
import { keysSecretName } from './sessions/keys.ts';

const post = (url: string, token: string | undefined, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: 'POST',
    headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
    body: '{}',
  });

/** Status, header and body of a refusal, without what differs by session. */
async function refusal(response: Response, session: string) {
  const challenge = response.headers.get('www-authenticate') ?? '';
  const text = `${response.status} ${challenge} ${await response.text()}`;
  return text.replaceAll(session, 'ID');
}

/** Signs what an attacker would who has the key. */
async function signed(
  harness: Harness,
  session: McpSession,
  change: { alg?: string; typ?: string; claims?: Record<string, unknown>; audience?: string; expSeconds?: number } = {},
): Promise<string> {
  const { data } = await harness.kube.get(secrets, 'default', keysSecretName);
  const [key] = JSON.parse(Buffer.from(data?.['keys.json'] ?? '', 'base64').toString());
  const now = Math.floor(Date.now() / 1000);
  const { uid: sid, namespace: ns, name } = session.metadata;
  return new SignJWT({ sid, ns, name, gid: 'research', gen: 1, scope: 'vm:read', ...change.claims })
    .setProtectedHeader({ alg: change.alg ?? 'HS256', typ: change.typ ?? 'at+jwt', kid: key.id })
    .setIssuer('tvm')
    .setAudience(change.audience ?? urlOf(session))
    .setSubject('alice')
    .setIssuedAt(now - 7200)
    .setExpirationTime(now + (change.expSeconds ?? 3600))
    .sign(createSecretKey(Buffer.from(key.secret, 'base64url')));
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

test('tokens that are not good: forged, late, for others, of other kinds', async () => {
  await using harness = await startHarness();
  const [mine, other] = await Promise.all([makeSession(harness, 'mine'), makeSession(harness, 'other')]);
  const url = urlOf(mine);
  const good = await tokenOf(harness, mine);
  assert.equal((await post(url, good)).status, 200);
  assert.equal((await post(url, await signed(harness, mine))).status, 200, 'the attacker of this test can sign');
  const [head = '', body = '', tag = ''] = good.split('.');
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString());
  const header = JSON.parse(Buffer.from(head, 'base64url').toString());
  const more = encode({ ...claims, scope: 'vm:admin', exp: claims.exp + 10_000 });
  const hmac = (text: string, key: string) => createHmac('sha256', key).update(text).digest('base64url');
  const tokens: Record<string, string> = {
    'of another session': await tokenOf(harness, other),
    'changed claims': `${head}.${more}.${tag}`,
    'changed tag': `${head}.${body}.${tag.startsWith('A') ? 'B' : 'A'}${tag.slice(1)}`,
    'no tag': `${head}.${body}.`,
    'alg none': `${encode({ ...header, alg: 'none' })}.${body}.`,
    'alg None': `${encode({ ...header, alg: 'None' })}.${body}.`,
    'an empty key': `${head}.${body}.${hmac(`${head}.${body}`, '')}`,
    'another key id': `${encode({ ...header, kid: 'another-key' })}.${body}.${tag}`,
    'no key id': `${encode({ alg: 'HS256', typ: 'at+jwt' })}.${body}.${tag}`,
    'a key in the token': `${encode({ ...header, jwk: { kty: 'oct', k: 'AA' } })}.${body}.${tag}`,
    expired: await signed(harness, mine, { expSeconds: -1 }),
    'another audience': await signed(harness, mine, { audience: 'https://elsewhere.example/mcp' }),
    "the other's audience": await signed(harness, mine, { audience: urlOf(other) }),
    'the servers below': await signed(harness, mine, { audience: url.replace('/mcp', '/servers/x/mcp') }),
    'another type': await signed(harness, mine, { typ: 'JWT' }),
    'no generation': await signed(harness, mine, { claims: { gen: undefined } }),
    'of the REST API': testToken,
    'no JWT': 'x'.repeat(40),
    'very long': 'x'.repeat(9_000),
  };
  for (const [what, token] of Object.entries(tokens)) {
    const response = await post(url, token);
    const challenge = response.headers.get('www-authenticate') ?? '';
    assert.equal(response.status, 401, what);
    assert.match(challenge, /^Bearer realm="tvm", error="invalid_token", .*resource_metadata="http/, what);
    const said = challenge + (await response.text());
    assert.ok(!said.includes(token.slice(0, 30)), `${what}: the token is in the answer`);
  }
  const missing = await post(url, undefined);
  assert.equal(missing.status, 401);
  assert.doesNotMatch(missing.headers.get('www-authenticate') ?? '', /error=/);
});

test('a token in the URL is refused, also beside a good one; other schemes too', async () => {
  await using harness = await startHarness();
  const session = await makeSession(harness, 'mine');
  const token = await tokenOf(harness, session);
  assert.equal((await post(`${urlOf(session)}?access_token=${token}`, undefined)).status, 400);
  assert.equal((await post(`${urlOf(session)}?access_token=${token}`, token)).status, 400);
  assert.equal((await post(`${urlOf(session)}?token=${token}`, undefined)).status, 401);
  const basic = `Basic ${Buffer.from(`x:${token}`).toString('base64')}`;
  assert.equal((await post(urlOf(session), undefined, { authorization: basic })).status, 401);
  assert.equal((await post(urlOf(session), undefined, { cookie: `token=${token}` })).status, 401);
});

test('who has no good token cannot tell sessions that are from those that are not', async () => {
  await using harness = await startHarness();
  const session = await makeSession(harness, 'mine');
  const stranger = await tokenOf(harness, await makeSession(harness, 'strangers'));
  const uid = session.metadata.uid ?? '';
  const none = '00000000-0000-4000-8000-000000000000';
  for (const token of [undefined, stranger, 'x'.repeat(30)]) {
    for (const method of ['GET', 'POST', 'DELETE']) {
      const at = async (id: string, path: string) => {
        const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
        return refusal(await fetch(`${harness.url}/sessions/${id}${path}`, { method, headers }), id);
      };
      for (const path of ['/mcp', '/servers/some/mcp']) assert.equal(await at(uid, path), await at(none, path));
    }
  }
  const metadata = async (id: string) => {
    const response = await fetch(`${harness.url}/.well-known/oauth-protected-resource/sessions/${id}/mcp`);
    return (await response.text()).replaceAll(id, 'ID');
  };
  assert.equal(await metadata(uid), await metadata(none));
  const document = JSON.parse(await metadata(uid));
  assert.equal(document.resource, `${harness.url}/sessions/ID/mcp`);
  assert.deepEqual(document.bearer_methods_supported, ['header']);
  for (const path of ['/sessions/a%2Fb/mcp', '/sessions/x/servers/a%20b/mcp', '/sessions/', '/sessions/x']) {
    assert.equal((await post(`${harness.url}${path}`, undefined)).status, 404, path);
  }
});

test('sessions that are over, deleted, revoked or made anew take no old token', async () => {
  await using harness = await startHarness();
  const ended = await makeSession(harness, 'ended', { ttlSeconds: 3 });
  const token = await tokenOf(harness, ended);
  const state = async () => (await harness.kube.get(mcpSessions, 'default', 'ended')).status?.state;
  await eventually(async () => (await state()) === 'Expired');
  await eventually(async () => {
    const response = await post(urlOf(ended), token);
    return response.status === 401 && /over: its 3 s/.test(response.headers.get('www-authenticate') ?? '');
  });
  await eventually(() => harness.flintlock.machines.size === 0);
  const first = await makeSession(harness, 'again');
  const old = await tokenOf(harness, first);
  await harness.kube.delete(mcpSessions, 'default', 'again');
  await eventually(async () => (await post(urlOf(first), old)).status === 404);
  await harness.kube.delete(secrets, 'default', (await secretsOf(harness, first))[0] ?? '').catch(() => {});
  const second = await makeSession(harness, 'again');
  assert.equal((await post(urlOf(second), old)).status, 401, 'the name alone opens nothing');
  assert.equal((await post(urlOf(first), await tokenOf(harness, second))).status, 401);
});

async function secretsOf(harness: Harness, { metadata }: McpSession): Promise<string[]> {
  const { items } = await harness.kube.list(secrets, { namespace: 'default' });
  return items
    .filter((each) => each.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid))
    .map((each) => each.metadata.name);
}

test('pages of other sites, and names that are not ours', async () => {
  const settings = { publicUrl: 'https://tvm.example/base', origins: ['console.example'] };
  await using harness = await startHarness({ gateway: settings });
  const session = await makeSession(harness, 'mine');
  const token = await tokenOf(harness, session);
  const uid = session.metadata.uid ?? '';
  assert.equal(urlOf(session), `https://tvm.example/base/sessions/${uid}/mcp`);
  const url = `${harness.url}/sessions/${uid}/mcp`;
  for (const origin of ['https://evil.example', 'null', 'https://tvm.example.evil.example', 'file://', 'garbage']) {
    const response = await post(url, token, { origin });
    assert.deepEqual([response.status, response.headers.get('access-control-allow-origin')], [403, null], origin);
  }
  for (const origin of ['https://tvm.example', 'https://console.example', 'http://localhost:6274']) {
    const response = await post(url, token, { origin });
    assert.deepEqual([response.status, response.headers.get('access-control-allow-origin')], [200, origin]);
  }
  const file = `${harness.url}/transfers/body.tag`;
  assert.equal((await post(file, undefined, { origin: 'https://evil.example' })).status, 403, 'files by URL too');
  assert.equal(await withHost(file, undefined, 'rebound.example'), 403);
  const given = await post(file, undefined, { origin: 'https://console.example' });
  const { headers } = given;
  assert.deepEqual([given.status, await given.json()], [200, { sealed: 'body.tag' }]);
  assert.deepEqual([headers.get('cache-control'), headers.get('x-content-type-options')], ['no-store', 'nosniff']);
  const challenge = (await post(url, undefined)).headers.get('www-authenticate') ?? '';
  const [, where = ''] = /resource_metadata="https:\/\/tvm.example([^"]+)"/.exec(challenge) ?? [];
  const told = (await (await fetch(harness.url + where)).json()) as { resource: string };
  assert.equal(told.resource, urlOf(session));
  assert.equal(await withHost(url, token, 'tvm.example'), 200);
  assert.equal(await withHost(url, token, 'rebound.example:8082'), 403);
  assert.equal(await withHost(url, undefined, 'rebound.example'), 403, 'before anything is told');
  const preflight = await fetch(url, {
    method: 'OPTIONS',
    headers: { origin: 'https://console.example', 'access-control-request-headers': 'authorization, mcp-method' },
  });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get('access-control-allow-headers'), 'authorization, mcp-method');
});

function withHost(url: string, token: string | undefined, host: string): Promise<number> {
  const headers = { host, ...(token !== undefined && { authorization: `Bearer ${token}` }) };
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', reject).end('{}');
  });
}

test('scopes: fewer are told to the handler, none can be added, the bridge needs vm:exec', async () => {
  await using harness = await startHarness();
  const session = await makeSession(harness, 'reader', { scopes: ['vm:files', 'vm:read'] });
  const token = await tokenOf(harness, session);
  const echo = (await (await post(urlOf(session), token)).json()) as Echo;
  assert.deepEqual(echo.scopes, ['vm:read', 'vm:files']);
  const admin = await signed(harness, session, { claims: { scope: 'vm:read vm:admin vm:exec' } });
  const told = (await (await post(urlOf(session), admin)).json()) as Echo;
  assert.deepEqual(told.scopes, ['vm:read'], 'the session allows no more, whatever a token says');
  const server = urlOf(session).replace(/\/mcp$/, '/servers/some/mcp');
  const refused = await post(server, token);
  assert.equal(refused.status, 403);
  assert.match(
    refused.headers.get('www-authenticate') ?? '',
    /error="insufficient_scope".*scope="vm:exec".*servers\/some/,
  );
  const full = await makeSession(harness, 'full');
  const answer = await post(urlOf(full).replace(/\/mcp$/, '/servers/some/mcp'), await tokenOf(harness, full));
  assert.deepEqual([answer.status, ((await answer.json()) as Echo).server], [200, 'some']);
});

test('a stream that a revoked token opened ends, and so do those of a session that is deleted', async () => {
  await using harness = await startHarness();
  const session = await makeSession(harness, 'mine');
  const stream = async () => {
    const headers = { authorization: `Bearer ${await tokenOf(harness, session)}` };
    const response = await fetch(urlOf(session), { method: 'POST', headers, body: 'stream' });
    assert.equal(response.status, 200);
    return response.text();
  };
  const first = assert.rejects(stream());
  await eventually(() => harness.handlers.streams === 1);
  const generation = { spec: { tokenGeneration: 2 } };
  await harness.kube.patch(mcpSessions, 'default', 'mine', generation);
  await first;
  await eventually(() => harness.handlers.streams === 0);
  const renewed = async () => (await harness.fetch('/v1/sessions/mine/token')).status === 200;
  await eventually(renewed);
  const second = assert.rejects(stream());
  await eventually(() => harness.handlers.streams === 1);
  await harness.kube.patch(mcpSessions, 'default', 'mine', { metadata: { labels: { some: 'change' } } });
  await harness.kube.delete(mcpSessions, 'default', 'mine');
  await second;
  await eventually(() => harness.handlers.streams === 0);
});

test('bodies and floods are bounded', async () => {
  await using harness = await startHarness();
  const session = await makeSession(harness, 'mine');
  const token = await tokenOf(harness, session);
  const headers = { authorization: `Bearer ${token}` };
  const huge = Buffer.alloc(9_000_000, 32);
  const declared = await fetch(urlOf(session), { method: 'POST', headers, body: huge }).then(({ status }) => status);
  assert.equal(declared, 413);
  const chunked = new ReadableStream({
    start(controller) {
      for (let at = 0; at < 9; at += 1) controller.enqueue(new Uint8Array(1_000_000));
      controller.close();
    },
  });
  const streamed = await fetch(urlOf(session), { method: 'POST', headers, body: chunked, duplex: 'half' });
  assert.equal(streamed.status, 413);
  const stop = new AbortController();
  const open = { method: 'POST', headers, body: 'stream', signal: stop.signal };
  // A response that nobody holds is cancelled when it is collected.
  const held: Response[] = [];
  for (let at = 0; at < 128; at += 1) held.push(await fetch(urlOf(session), open));
  assert.ok(held.every(({ status }) => status === 200));
  const refused = await post(urlOf(session), token);
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [429, '1']);
  assert.equal(held.length, 128);
  stop.abort();
  await eventually(async () => (await post(urlOf(session), token)).status === 200);
});

test('who leaves before its token is checked takes no place with it', async () => {
  await using harness = await startHarness();
  const session = await makeSession(harness, 'mine');
  const token = await tokenOf(harness, session);
  const { hostname, port, pathname } = new URL(urlOf(session));
  const head = `POST ${pathname} HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${token}\r\ncontent-length: 2\r\n\r\n{}`;
  const visit = () =>
    new Promise<void>((resolve) => {
      const socket = connect(Number(port), hostname, () => socket.write(head, () => socket.resetAndDestroy()));
      socket.on('error', () => {}).once('close', () => resolve());
    });
  for (let time = 0; time < 200; time += 1) await visit();
  const held: Response[] = [];
  const stop = new AbortController();
  const open = { method: 'POST', headers: { authorization: `Bearer ${token}` }, body: 'stream', signal: stop.signal };
  await eventually(async () => {
    held.push(await fetch(urlOf(session), open));
    return held.filter(({ status }) => status === 200).length === 128;
  });
  stop.abort();
});

test('a Secret of somebody else is neither used nor overwritten', async () => {
  await using harness = await startHarness();
  const session = await makeSession(harness, 'mine');
  const [name = ''] = await secretsOf(harness, session);
  const found = await harness.kube.get(secrets, 'default', name);
  const foreign = { ...found, metadata: { ...found.metadata, ownerReferences: [] }, data: { token: 'bWluZQ==' } };
  await harness.kube.update(secrets, foreign);
  await harness.fetch('/v1/sessions/mine/rotate', postJson({}));
  const reason = async () => {
    const { status } = await harness.kube.get(mcpSessions, 'default', 'mine');
    return status?.conditions?.find(({ type }) => type === 'Ready')?.reason;
  };
  await eventually(async () => (await reason()) === 'SecretTaken');
  assert.equal((await harness.kube.get(secrets, 'default', name)).data?.token, 'bWluZQ==');
  assert.equal((await harness.fetch('/v1/sessions/mine/token')).status, 503);
});
