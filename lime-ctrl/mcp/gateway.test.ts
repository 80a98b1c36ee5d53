// Sessions as clients reach them, over HTTP and the whole of lime-ctrl, with handlers that answer with what they were asked.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { mcpSessions, microVms } from '@tvm/kit/kube/client.ts';
import { eventually, startHarness } from '../testing/harness.ts';
import { call, makeSession, urlOf } from '../testing/sessions.ts';

test('a session without vmId: a machine of its own, a URL, a token; all go with it', async () => {
  await using harness = await startHarness();
  const session = await makeSession(harness, 'agent');
  const { uid = '' } = session.metadata;
  assert.equal(urlOf(session), `${harness.url}/sessions/${uid}/mcp`);
  const [vm] = (await harness.kube.list(microVms)).items;
  assert.deepEqual([vm?.metadata.ownerReferences?.[0]?.uid, vm?.spec.mcpMode, vm?.spec.onIdle], [uid, true, 'Pause']);
  assert.equal(session.status?.vmId, vm?.metadata.name);
  const { response, echo } = await call(harness, session, 'machine');
  assert.deepEqual([response.status, response.headers.get('x-accel-buffering')], [200, 'no']);
  assert.deepEqual(
    [echo.machine, echo.caller, echo.session.uid, echo.url, echo.requestUrl],
    [vm?.metadata.uid, 'alice', uid, urlOf(session), urlOf(session)],
  );
  assert.deepEqual([echo.headers.authorization, echo.headers.cookie], [undefined, undefined]);
  assert.deepEqual(echo.scopes, ['vm:read', 'vm:exec', 'vm:files', 'vm:admin']);
  await harness.kube.delete(mcpSessions, 'default', 'agent');
  await eventually(() => harness.flintlock.machines.size === 0);
  assert.deepEqual((await harness.kube.list(mcpSessions)).items, []);
  assert.deepEqual(harness.handlers.ended, [uid]);
});

test('a machine that died: the next answer says so, and the one after works in the new one', async () => {
  await using harness = await startHarness();
  const session = await makeSession(harness, 'agent');
  const { echo } = await call(harness, session, 'machine');
  const uid = echo.machine ?? '';
  harness.flintlock.change(uid, { state: MachineState.FAILED, reason: 'OutOfMemory', message: 'it used too much' });
  const state = async () => (await harness.kube.get(mcpSessions, 'default', 'agent')).status?.state;
  await eventually(async () => (await state()) === 'Failed');
  const failed = (await call(harness, session, 'machine')).echo.problem;
  assert.deepEqual([failed?.code, failed?.reason], ['failed_precondition', 'MachineFailed']);
  assert.match(`${failed?.message} ${failed?.hint}`, /failed: OutOfMemory.*lost.*call again/);
  harness.flintlock.change(uid, { state: MachineState.RUNNING, reason: '', startedAtMs: BigInt(Date.now() + 5) });
  await eventually(async () => (await state()) === 'Ready');
  assert.equal((await call(harness, session, 'machine')).echo.machine, uid, 'what was told is not told again');
  harness.flintlock.change(uid, { startedAtMs: BigInt(Date.now() + 1000) });
  const restarted = (await call(harness, session, 'machine')).echo.problem;
  assert.equal(restarted?.reason, 'MachineRestarted');
  assert.match(restarted?.hint ?? '', /are gone/);
  assert.equal((await call(harness, session, 'machine')).echo.machine, uid);
});

test('an idle machine rests and is resumed by the next call', async () => {
  await using harness = await startHarness();
  const session = await makeSession(harness, 'agent');
  const [uid = ''] = harness.flintlock.machines.keys();
  harness.flintlock.change(uid, { state: MachineState.PAUSED });
  assert.equal((await call(harness, session, 'machine')).echo.machine, uid);
  assert.equal(harness.flintlock.machines.get(uid)?.state, MachineState.RUNNING);
});
