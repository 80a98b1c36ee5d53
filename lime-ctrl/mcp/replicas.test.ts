// Several replicas: any of them serves any session, with tokens that another one made.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { mcpSessions, secrets } from '@tvm/kit/kube/client.ts';
import type { Echo } from '../testing/echo-handlers.ts';
import { eventually, startHarness } from '../testing/harness.ts';
import { makeSession, tokenOf, urlOf } from '../testing/sessions.ts';

const settings = { publicUrl: 'https://tvm.example' };

test('a token of one opens the session at the other, at once; what one learns the other hears of', async () => {
  await using leader = await startHarness({ gateway: settings });
  const { kube, flintlock } = leader;
  await using other = await startHarness({ gateway: settings, kube, flintlock, follower: true });
  const session = await makeSession(leader, 'agent', { idleTimeoutSeconds: 6 });
  const token = await tokenOf(leader, session);
  const at = async ({ url }: { url: string }, body = 'machine') => {
    const path = new URL(urlOf(session)).pathname;
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`${url}${path}`, { method: 'POST', headers, body });
    return { status: response.status, echo: (await response.json()) as Echo };
  };
  const [uid] = flintlock.machines.keys();
  for (const replica of [leader, other]) assert.equal((await at(replica)).echo.machine, uid);
  await eventually(async () => {
    await at(other);
    return (await kube.get(mcpSessions, 'default', 'agent')).status?.lastActivity;
  });
  await kube.patch(mcpSessions, 'default', 'agent', { spec: { tokenGeneration: 2 } });
  await eventually(async () => (await at(other)).status === 401);
  assert.equal((await kube.list(secrets)).items.filter(({ metadata }) => /keys/.test(metadata.name)).length, 1);
});

test('a replica whose cache does not know a session yet asks the API server', async () => {
  await using leader = await startHarness({ gateway: settings });
  const { kube, flintlock } = leader;
  const session = await makeSession(leader, 'agent');
  const token = await tokenOf(leader, session);
  const list: typeof kube.list = async (resource, options) => {
    if (resource.plural === mcpSessions.plural) throw new TvmError('unavailable', 'not now');
    return kube.list(resource, options);
  };
  await using behind = await startHarness({ gateway: settings, kube: { ...kube, list }, flintlock, follower: true });
  const path = new URL(urlOf(session)).pathname;
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${behind.url}${path}`, { method: 'POST', headers, body: 'x' });
  assert.equal(response.status, 200);
  await kube.delete(mcpSessions, 'default', 'agent');
  await eventually(async () => (await fetch(`${behind.url}${path}`, { method: 'POST', headers })).status === 404);
});
