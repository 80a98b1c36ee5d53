import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SessionToken, SessionView } from '@tvm/api/rest/sessions.ts';
import type { Problem } from '@tvm/api/rest/stream.ts';
import { mcpSessions } from '@tvm/kit/kube/client.ts';
import { eventually, type Harness, postJson, startHarness } from '../testing/harness.ts';

const view = async (response: Response) => (await response.json()) as SessionView;

async function tokenOf(harness: Harness, name: string): Promise<SessionToken> {
  return eventually(async () => {
    const response = await harness.fetch(`/v1/sessions/${name}/token`);
    return response.status === 200 ? ((await response.json()) as SessionToken) : undefined;
  });
}

const callWith = (url: string, token: string) =>
  fetch(url, { method: 'POST', headers: { authorization: `Bearer ${token}` }, body: '{}' });

test('declare, connect, rotate, list, end', async () => {
  await using harness = await startHarness();
  const created = await harness.fetch('/v1/sessions', postJson({ name: 'agent', spec: { idleTimeoutSeconds: 600 } }));
  assert.equal(created.status, 201);
  const { spec, uid } = await view(created);
  assert.deepEqual([spec.userId, spec.groupId, spec.idleTimeoutSeconds], ['tester', 'everyone', 600]);
  const first = await tokenOf(harness, 'agent');
  assert.equal(first.url, `${harness.url}/sessions/${uid}/mcp`);
  assert.equal((await callWith(first.url, first.token)).status, 200);
  const rotated = await harness.fetch('/v1/sessions/agent/rotate', { method: 'POST' });
  assert.deepEqual([rotated.status, (await view(rotated)).spec.tokenGeneration], [200, 2]);
  const second = await tokenOf(harness, 'agent');
  assert.notEqual(second.token, first.token);
  assert.equal((await callWith(second.url, second.token)).status, 200);
  const refused = await callWith(first.url, first.token);
  assert.deepEqual([refused.status, /revoked/.test(refused.headers.get('www-authenticate') ?? '')], [401, true]);
  const list = (await (await harness.fetch('/v1/sessions')).json()) as { items: SessionView[] };
  assert.deepEqual(
    list.items.map(({ name }) => name),
    ['agent'],
  );
  assert.equal((await harness.fetch('/v1/sessions/agent', { method: 'DELETE' })).status, 202);
  await eventually(async () => (await harness.fetch('/v1/sessions/agent')).status === 404);
  const gone = await callWith(second.url, second.token);
  assert.deepEqual([gone.status, ((await gone.json()) as Problem).reason], [404, 'SessionGone']);
});

test('a generated name, the machine of another object, fewer scopes', async () => {
  await using harness = await startHarness();
  const spec = { vmId: 'none', scopes: ['vm:read'], userId: 'bob', groupId: 'g' };
  const created = await view(await harness.fetch('/v1/sessions', postJson({ spec })));
  assert.match(created.name, /^session-/);
  const response = await harness.fetch(`/v1/sessions/${created.name}/token`);
  assert.deepEqual([response.status, ((await response.json()) as Problem).reason], [503, 'NoToken']);
  const why = async () => {
    const { status } = await harness.kube.get(mcpSessions, 'default', created.name);
    return status?.conditions?.find(({ type }) => type === 'Ready')?.reason;
  };
  await eventually(async () => (await why()) === 'NoMicroVM');
});

test('bad requests', async () => {
  await using harness = await startHarness();
  const status = async (body: unknown) => (await harness.fetch('/v1/sessions', postJson(body))).status;
  assert.equal(await status({ name: 'Agent' }), 400);
  assert.equal(await status({ spec: { scopes: ['vm:root'] } }), 400);
  assert.equal(await status({ spec: { idleTimeoutSeconds: 0 } }), 400);
  assert.equal(await status({ spec: { colour: 'red' } }), 400);
  assert.equal((await harness.fetch('/v1/sessions/none/token')).status, 404);
  assert.equal((await harness.fetch('/v1/sessions/none/rotate', { method: 'POST' })).status, 404);
});
