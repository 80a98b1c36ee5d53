import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { McpSession } from '@tvm/api/kinds/mcp-session.ts';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import { makeFleet } from '../flintlock/fleet.ts';
import { machineNameOf, ownerReferenceTo } from '../mcp-session/names.ts';
import { makeFakeFlintlock } from '../testing/fake-flintlock.ts';
import { microVm } from '../testing/harness.ts';
import type { SessionActivity } from './sessions/activity.ts';
import { makeSessionMachines } from './sessions/session-machine.ts';

const session: McpSession = {
  apiVersion,
  kind: 'MCPSession',
  metadata: { name: 'agent', namespace: 'default', uid: 'session-uid-1' },
  spec: { userId: 'alice', groupId: 'research' },
};
const name = machineNameOf(session);

function makeActivity(): SessionActivity {
  const starts = new Map<string, string>();
  return {
    note() {},
    usedAtMs: () => 0,
    acknowledge: (_, uid, startedAt) => void starts.set(uid, startedAt),
    acknowledged: (uid) => starts.get(uid),
    size: 0,
    run: async () => {},
  };
}

async function setUp() {
  const flintlock = makeFakeFlintlock();
  const clock = makeManualClock();
  const fleet = makeFleet(new Map([['node-a', flintlock.client]]), { clock, log: makeLogger('test', 'silent') });
  const stop = new AbortController();
  const running = fleet.run(stop.signal);
  const vms = new Map<string, MicroVm>();
  const listeners = new Set<() => void>();
  const set = (vm: MicroVm, status: MicroVm['status'] = {}) => {
    vms.set(`default/${vm.metadata.name}`, { ...vm, status });
    for (const listener of listeners) listener();
  };
  const wanted: string[] = [];
  const replica = () =>
    makeSessionMachines({
      fleet,
      microVms: {
        get: (key) => vms.get(key),
        subscribe(listener) {
          const told = () => listener({ key: '', object: undefined, previous: undefined });
          listeners.add(told);
          return () => listeners.delete(told);
        },
      },
      machineActivity: { note: (uid) => wanted.push(uid), atMs: () => 0 },
      activity: makeActivity(),
      clock,
    });
  const machines = replica();
  const vm = microVm(name, { mcpMode: true });
  vm.metadata = { ...vm.metadata, uid: 'vm-uid', ownerReferences: [ownerReferenceTo(session)] };
  const create = () =>
    flintlock.client.createMachine({ uid: 'vm-uid', generation: 1n, spec: { image: 'i', memoryMib: 1 } });
  const why = (of: McpSession = session) =>
    machines.obtain(of).then(
      () => assert.fail('it was given out'),
      (error: TvmError) => error,
    );
  await clock.advance(0);
  return {
    ...{ flintlock, clock, set, vm, create, machines, replica, why, wanted, listeners },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

test('a machine that is on its way is waited for', async () => {
  await using world = await setUp();
  const obtained = world.machines.obtain(session);
  await world.clock.advance(1_000);
  world.set(world.vm, { phase: 'Creating' });
  const boot = Promise.withResolvers<void>();
  world.flintlock.boot = boot.promise;
  await world.create();
  await world.clock.advance(1_000);
  boot.resolve();
  assert.equal((await obtained).machine.uid, 'vm-uid');
  assert.deepEqual(world.wanted, ['vm-uid']);
  assert.equal(world.listeners.size, 0);
});

test('but not for ever: then it is told how far it is', async () => {
  await using world = await setUp();
  world.set(world.vm, { phase: 'Pending', reason: 'NoRoom', message: 'no node has room' });
  const error = world.why();
  await world.clock.advance(25_000);
  const { code, reason, message, retryAfterSeconds } = await error;
  assert.deepEqual([code, reason, retryAfterSeconds], ['unavailable', 'MachineNotReady', 5]);
  assert.match(message, /is not there yet: no node has room/);
  assert.equal(world.listeners.size, 0);
});

test('what is wrong with a machine is said at once, with what to do', async () => {
  await using world = await setUp();
  world.set(world.vm);
  await world.create();
  await world.clock.advance(0);
  const rows: [Parameters<typeof world.flintlock.change>[1], reason: string, said: RegExp][] = [
    [
      { state: MachineState.FAILED, reason: 'OutOfMemory', message: 'too much' },
      'MachineFailed',
      /OutOfMemory.*call again/,
    ],
    [{ state: MachineState.STOPPED, reason: 'CommandExited' }, 'MachineStopped', /is stopped.*vvm start/],
  ];
  for (const [change, reason, said] of rows) {
    world.flintlock.change('vm-uid', change);
    await world.clock.advance(0);
    const error = await world.why();
    assert.equal(error.reason, reason);
    assert.match(`${error.message} ${error.hint}`, said);
  }
  world.flintlock.change('vm-uid', { state: MachineState.PAUSED });
  world.set({ ...world.vm, spec: { ...world.vm.spec, desiredState: 'Paused' } });
  await world.clock.advance(0);
  assert.deepEqual([(await world.why()).reason], ['MachinePaused']);
  world.set(world.vm);
  assert.equal((await world.machines.obtain(session)).machine.state, MachineState.RUNNING, 'one that rests is resumed');
});

test('a node that is away for a moment is waited for; one that stays away is told of', async () => {
  await using world = await setUp();
  world.set(world.vm);
  await world.create();
  await world.clock.advance(0);
  world.flintlock.goAway();
  await world.clock.advance(0);
  const obtained = world.machines.obtain(session);
  world.flintlock.restore();
  await world.clock.advance(1_000);
  assert.equal((await obtained).node, 'node-a');
  world.flintlock.goAway();
  await world.clock.advance(6_000);
  assert.equal((await world.why()).reason, 'NodeUnreachable');
});

test('machines that are not for it are not given out', async () => {
  await using world = await setUp();
  await world.create();
  await world.clock.advance(0);
  const foreign = { ...world.vm, metadata: { ...world.vm.metadata, ownerReferences: [] } };
  world.set(foreign);
  assert.equal((await world.why()).reason, 'NameTaken');
  const named = { ...session, spec: { ...session.spec, vmId: 'demo' } };
  assert.equal((await world.why(named)).reason, 'NoMicroVM');
  world.set(microVm('demo'));
  assert.equal((await world.why(named)).reason, 'McpModeOff');
});

test('a machine that was made anew is told of once, unless it was meant', async () => {
  await using world = await setUp();
  world.set(world.vm);
  await world.create();
  await world.clock.advance(0);
  await world.machines.obtain(session);
  const restart = async () => {
    world.flintlock.change('vm-uid', { startedAtMs: (world.flintlock.machines.get('vm-uid')?.startedAtMs ?? 0n) + 1n });
    await world.clock.advance(0);
  };
  await restart();
  const { code, reason, hint } = await world.why();
  assert.deepEqual([code, reason], ['aborted', 'MachineRestarted']);
  assert.match(hint ?? '', /are gone. Call again/);
  await world.machines.obtain(session);
  world.machines.expectRestart(session);
  await restart();
  await world.machines.obtain(session);
  const known = { ...session, status: { machineStartedAt: new Date(0).toISOString() } };
  const elsewhere = world.replica();
  await assert.rejects(elsewhere.obtain(known), { reason: 'MachineRestarted' }, 'a replica that knows of no telling');
  await elsewhere.obtain(known);
});

test('a call that its machine ended under says so, and the machine that takes its place is not told of again', async () => {
  await using world = await setUp();
  world.set(world.vm);
  await world.create();
  await world.clock.advance(0);
  const { machine } = await world.machines.obtain(session);
  const lost = new TvmError('unavailable', 'the VMM ended', { object: `machine/${machine.uid}`, reason: 'VmmExited' });
  const explained = async (thrown: unknown) => TvmError.from(await world.machines.explain(session, thrown));
  assert.equal(await explained(lost), lost, 'it lives: whatever that was, it is told as it is');
  const other = new TvmError('unavailable', 'a node is away');
  world.flintlock.change('vm-uid', { state: MachineState.FAILED, reason: 'VmmExited', message: 'killed by SIGKILL' });
  assert.equal(await explained(other), other, 'what is not about the machine is told as it is');
  const { reason, message, hint } = await explained(lost);
  assert.equal(reason, 'MachineFailed');
  assert.match(message, /VmmExited, killed by SIGKILL/);
  assert.match(hint ?? '', /are lost.*call again/);
  world.flintlock.change('vm-uid', { state: MachineState.RUNNING, startedAtMs: BigInt(Date.now()) + 1n });
  await world.clock.advance(0);
  await world.machines.obtain(session);
});
