import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { McpSession } from '@tvm/api/kinds/mcp-session.ts';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import { events, mcpSessions, microVms, secrets } from '@tvm/kit/kube/client.ts';
import { conditionOf } from '@tvm/kit/kube/conditions.ts';
import { eventually, type Harness, microVm, startHarness } from './testing/harness.ts';

const get = ({ kube }: Harness, name: string) => kube.get(microVms, 'default', name);
const phaseIs = (harness: Harness, name: string, phase: string) =>
  eventually(async () => {
    const vm = await get(harness, name);
    return vm.status?.phase === phase ? vm : undefined;
  });
const gone = (harness: Harness, name: string) =>
  eventually(() =>
    get(harness, name).then(
      () => false,
      (error) => error.code === 'not_found',
    ),
  );
const reasons = async (harness: Harness, name: string) =>
  (await harness.kube.list(events)).items
    .filter(({ involvedObject }) => involvedObject.name === name)
    .map(({ reason }) => reason);
const ready = (vm: MicroVm) => conditionOf(vm.status?.conditions, 'Ready');

test('a MicroVM comes up, pauses, resumes, stops, starts again and goes, each step told', async () => {
  await using harness = await startHarness();
  await harness.kube.create(microVms, microVm('demo'));
  const vm = await phaseIs(harness, 'demo', 'Running');
  assert.equal(vm.status?.host, 'node-a');
  assert.equal(vm.status.bootMs, 7);
  assert.equal(vm.status.observedGeneration, 1);
  assert.deepEqual(vm.status.conditions?.map(({ type, status }) => `${type}=${status}`).toSorted(), [
    'ImageReady=True',
    'Ready=True',
    'Scheduled=True',
  ]);
  for (const [desiredState, phase] of [
    ['Paused', 'Paused'],
    ['Running', 'Running'],
    ['Stopped', 'Stopped'],
    ['Running', 'Running'],
  ] as const) {
    await harness.kube.patch(microVms, 'default', 'demo', { spec: { desiredState } });
    await phaseIs(harness, 'demo', phase);
  }
  await harness.kube.delete(microVms, 'default', 'demo');
  await gone(harness, 'demo');
  assert.equal(harness.flintlock.machines.size, 0);
  const told = await eventually(async () => {
    const list = await reasons(harness, 'demo');
    return list.includes('Destroyed') ? list : undefined;
  });
  for (const reason of ['Scheduled', 'Creating', 'Started', 'Paused', 'Resumed', 'Stopped', 'Destroying']) {
    assert.ok(told.includes(reason), `${reason} in ${told}`);
  }
});

test('nothing is written when nothing changed', async () => {
  await using harness = await startHarness();
  await harness.kube.create(microVms, microVm('quiet'));
  await phaseIs(harness, 'quiet', 'Running');
  const before = harness.kube.writes.filter((write) => write.includes('MicroVM')).length;
  await harness.kube.patch(microVms, 'default', 'quiet', { metadata: { labels: { some: 'thing' } } });
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(harness.kube.writes.filter((write) => write.includes('MicroVM')).length, before + 1);
});

test('where, being made, up: three writes of the status at most; each change of its state afterwards is one', async () => {
  await using harness = await startHarness();
  const statusWrites = () => harness.kube.writes.filter((write) => write.startsWith('updateStatus MicroVM')).length;
  await harness.kube.create(microVms, microVm('thrifty'));
  await phaseIs(harness, 'thrifty', 'Running');
  assert.ok(statusWrites() <= 3);
  for (const state of ['Paused', 'Running', 'Stopped'] as const) {
    const before = statusWrites();
    await harness.kube.patch(microVms, 'default', 'thrifty', { spec: { desiredState: state } });
    await phaseIs(harness, 'thrifty', state);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(statusWrites(), before + 1, state);
  }
});

test('a VMM that died is told and started again', async () => {
  await using harness = await startHarness();
  const { metadata } = await harness.kube.create(microVms, microVm('crash'));
  await phaseIs(harness, 'crash', 'Running');
  harness.flintlock.change(metadata.uid ?? '', {
    state: MachineState.FAILED,
    reason: 'VmmExited',
    message: 'signal SIGKILL',
  });
  const failed = await phaseIs(harness, 'crash', 'Failed');
  assert.equal(failed.status?.reason, 'VmmExited');
  const again = await phaseIs(harness, 'crash', 'Running');
  assert.equal(again.status?.restarts, 1);
  assert.ok((await reasons(harness, 'crash')).includes('VmmExited'));
});

test('a command that ended stays ended, with its exit code', async () => {
  await using harness = await startHarness();
  const { metadata } = await harness.kube.create(microVms, microVm('job', { command: ['true'] }));
  await phaseIs(harness, 'job', 'Running');
  harness.flintlock.change(metadata.uid ?? '', { state: MachineState.STOPPED, reason: 'CommandExited', exitCode: 4 });
  const ended = await phaseIs(harness, 'job', 'Stopped');
  assert.equal(ended.status?.exitCode, 4);
  assert.ok(!harness.flintlock.calls.some((call) => call.startsWith('start')));
  await harness.kube.patch(microVms, 'default', 'job', { spec: { desiredState: 'Stopped' } });
  await eventually(async () => (await get(harness, 'job')).status?.reason === 'Requested');
  await harness.kube.patch(microVms, 'default', 'job', { spec: { desiredState: 'Running' } });
  await phaseIs(harness, 'job', 'Running');
});

test('an image that cannot be pulled is a condition with the words of the registry, tried again', async () => {
  await using harness = await startHarness();
  harness.flintlock.badImages.set('no/such', 'manifest unknown');
  await harness.kube.create(microVms, microVm('bad', { image: 'no/such' }));
  const vm = await phaseIs(harness, 'bad', 'Failed');
  const image = conditionOf(vm.status?.conditions, 'ImageReady');
  assert.deepEqual([image?.status, image?.reason, image?.message], ['False', 'ImagePullFailed', 'manifest unknown']);
  harness.flintlock.badImages.clear();
  const running = await phaseIs(harness, 'bad', 'Running');
  assert.equal(running.status?.restarts, undefined);
});

test('no room: Pending with the numbers; pool machines yield theirs', async () => {
  await using harness = await startHarness({
    warm: [{ image: 'tvm/python', cpu: 1, memory: 256, interpreter: 'python' }],
  });
  await eventually(() => harness.pool.view()[0]?.waiting);
  await harness.kube.create(microVms, microVm('large', { memory: 4000 }));
  const said = await eventually(async () =>
    (await harness.kube.list(events)).items.find(({ reason }) => reason === 'NoRoom'),
  );
  assert.match(said.message, /3840 MB free of 4096 MB, 4000 MB asked/);
  await phaseIs(harness, 'large', 'Running');
  assert.equal(harness.flintlock.machines.size, 1);
});

test('a missing Secret is waited for; its values reach the machine and no object', async () => {
  await using harness = await startHarness();
  await harness.kube.create(
    microVms,
    microVm('secretive', { envFrom: [{ secretRef: { name: 'keys' } }], env: [{ name: 'B', value: 'spec' }] }),
  );
  const vm = await phaseIs(harness, 'secretive', 'Pending');
  assert.equal(vm.status?.reason, 'SecretNotFound');
  const data = { A: Buffer.from('hidden').toString('base64'), B: Buffer.from('lost').toString('base64') };
  const metadata = { name: 'keys', namespace: 'default' };
  await harness.kube.create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata, data });
  const running = await phaseIs(harness, 'secretive', 'Running');
  assert.deepEqual(harness.flintlock.envs.get(running.metadata.uid ?? ''), { A: 'hidden', B: 'spec' });
  assert.doesNotMatch(JSON.stringify(await harness.kube.list(events)) + JSON.stringify(running), /hidden/);
});

test('ttlSeconds deletes', async () => {
  await using harness = await startHarness();
  await harness.kube.create(microVms, microVm('brief', { ttlSeconds: 3 }));
  await phaseIs(harness, 'brief', 'Running');
  await gone(harness, 'brief');
});

test('machines that no MicroVM stands behind are destroyed', async () => {
  await using harness = await startHarness();
  const labels = { owner: 'microvm', namespace: 'default', name: 'ghost' };
  await harness.flintlock.client.createMachine({
    uid: 'u1',
    generation: 1n,
    labels,
    spec: { image: 'i', cpus: 1, memoryMib: 64 },
  });
  await harness.flintlock.client.createMachine({
    uid: 'u2',
    generation: 1n,
    labels: {},
    spec: { image: 'i', cpus: 1, memoryMib: 64 },
  });
  await eventually(() => !harness.flintlock.machines.has('u1'));
  assert.ok(harness.flintlock.machines.has('u2'), 'what is not ours stays');
});

test('a MicroVM can be deleted while its image is being pulled', async () => {
  await using harness = await startHarness();
  harness.flintlock.boot = new Promise(() => {});
  await harness.kube.create(microVms, microVm('early'));
  await phaseIs(harness, 'early', 'Creating');
  await harness.kube.delete(microVms, 'default', 'early');
  await gone(harness, 'early');
  assert.equal(harness.flintlock.machines.size, 0);
});

test('a node that goes away and comes back: the machine is neither lost nor doubled', async () => {
  await using harness = await startHarness();
  await harness.kube.create(microVms, microVm('steady'));
  await phaseIs(harness, 'steady', 'Running');
  harness.flintlock.goAway();
  await eventually(async () => ready(await get(harness, 'steady'))?.status === 'Unknown');
  harness.flintlock.restore();
  await eventually(async () => ready(await get(harness, 'steady'))?.status === 'True');
  assert.equal(harness.flintlock.calls.filter((call) => call.startsWith('create')).length, 1);
});

test('an MCPSession says honestly how it stands', async () => {
  await using harness = await startHarness();
  const session: McpSession = {
    apiVersion,
    kind: 'MCPSession',
    metadata: { name: 's', namespace: 'default' },
    spec: { userId: 'a', groupId: 'g', vmId: 'demo' },
  };
  await harness.kube.create(mcpSessions, session);
  const bound = async () =>
    conditionOf((await harness.kube.get(mcpSessions, 'default', 's')).status?.conditions, 'Bound');
  await eventually(async () => (await bound())?.reason === 'NoMicroVM');
  await harness.kube.create(microVms, microVm('demo', { mcpMode: true }));
  await eventually(async () => (await bound())?.status === 'True');
  const state = async () => (await harness.kube.get(mcpSessions, 'default', 's')).status?.state;
  await eventually(async () => (await state()) === 'Ready');
});
