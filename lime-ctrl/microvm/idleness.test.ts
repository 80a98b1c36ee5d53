// Idle machines rest by their policy, and wake with the next use.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { Problem } from '@tvm/api/rest/stream.ts';
import { events, microVms } from '@tvm/kit/kube/client.ts';
import { eventually, type Harness, microVm, startHarness } from '../testing/harness.ts';

const reasonIs = (harness: Harness, name: string, phase: string, reason: string) =>
  eventually(async () => {
    const { status, metadata } = await harness.kube.get(microVms, 'default', name);
    return status?.phase === phase && status.reason === reason ? (metadata.uid ?? '') : undefined;
  });
/** Moves the last use of a machine into the past. */
const longUnused = (harness: Harness, uid: string) =>
  harness.flintlock.change(uid, { startedAtMs: BigInt(Date.now() - 3_600_000), lastActiveAtMs: 1n });
const post = (harness: Harness, path: string) => harness.fetch(`/v1/microvms/${path}`, { method: 'POST' });
const listFiles = (harness: Harness, name: string) => harness.fetch(`/v1/microvms/${name}/files?path=/`);

test('an idle machine is paused, said to be, and resumed by the next request', async () => {
  await using harness = await startHarness();
  await harness.kube.create(microVms, microVm('demo', { idleTimeoutSeconds: 600 }));
  const uid = await reasonIs(harness, 'demo', 'Running', 'Running');
  longUnused(harness, uid);
  await reasonIs(harness, 'demo', 'Paused', 'Idle');
  const told = (await harness.kube.list(events)).items.find(({ reason }) => reason === 'Idle');
  assert.match(told?.message ?? '', /not used for 600 s/);
  await listFiles(harness, 'demo');
  assert.equal(harness.flintlock.machines.get(uid)?.state, MachineState.RUNNING);
  await reasonIs(harness, 'demo', 'Running', 'Running');
});

test('a machine that is paused though it is in use, since both came at once, is resumed', async () => {
  await using harness = await startHarness();
  await harness.kube.create(microVms, microVm('demo', { idleTimeoutSeconds: 600 }));
  const uid = await reasonIs(harness, 'demo', 'Running', 'Running');
  longUnused(harness, uid);
  await reasonIs(harness, 'demo', 'Paused', 'Idle');
  harness.flintlock.change(uid, { lastActiveAtMs: BigInt(Date.now()) });
  await reasonIs(harness, 'demo', 'Running', 'Running');
});

test('vvm resume wakes an idle machine too', async () => {
  await using harness = await startHarness();
  await harness.kube.create(microVms, microVm('demo', { idleTimeoutSeconds: 1 }));
  await reasonIs(harness, 'demo', 'Paused', 'Idle');
  assert.equal((await post(harness, 'demo/resume')).status, 200);
  await reasonIs(harness, 'demo', 'Running', 'Running');
  await reasonIs(harness, 'demo', 'Paused', 'Idle');
});

test('whom its owner paused stays paused, and refuses', async () => {
  await using harness = await startHarness();
  await harness.kube.create(microVms, microVm('demo', { idleTimeoutSeconds: 600 }));
  const uid = await reasonIs(harness, 'demo', 'Running', 'Running');
  await post(harness, 'demo/pause');
  await reasonIs(harness, 'demo', 'Paused', 'Paused');
  harness.flintlock.calls.length = 0;
  const response = await listFiles(harness, 'demo');
  assert.ok(response.status >= 400, ((await response.json()) as Problem).detail);
  assert.equal(harness.flintlock.machines.get(uid)?.state, MachineState.PAUSED);
});

test('onIdle Stop stops until it is started again; Delete deletes', async () => {
  await using harness = await startHarness();
  await harness.kube.create(microVms, microVm('stops', { idleTimeoutSeconds: 1, onIdle: 'Stop' }));
  await harness.kube.create(microVms, microVm('goes', { idleTimeoutSeconds: 1, onIdle: 'Delete' }));
  await reasonIs(harness, 'stops', 'Stopped', 'Idle');
  assert.equal((await harness.kube.get(microVms, 'default', 'stops')).spec.desiredState, 'Stopped');
  await eventually(() =>
    harness.kube.get(microVms, 'default', 'goes').then(
      () => false,
      (error) => error.code === 'not_found',
    ),
  );
  await post(harness, 'stops/start');
  await reasonIs(harness, 'stops', 'Running', 'Running');
});
