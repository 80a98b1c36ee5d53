// From any world, with a crash after any action and each action done twice, a snapshot converges; and once it has, no action
// is left, and no file is that no object stands behind.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import type { MicroVmSnapshot } from '@tvm/api/kinds/microvm-snapshot.ts';
import { systemClock } from '@tvm/kit/clock.ts';
import { type KubeClient, microVmSnapshots, microVms } from '@tvm/kit/kube/client.ts';
import { type MemoryKube, makeMemoryKube } from '@tvm/kit/kube/memory-client.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { type ManualClock, makeManualClock } from '@tvm/kit/manual-clock.ts';
import fc from 'fast-check';
import { type Fleet, makeFleet } from '../flintlock/fleet.ts';
import { type FakeFlintlock, makeFakeFlintlock } from '../testing/fake-flintlock.ts';
import { microVm } from '../testing/harness.ts';
import { executeAction, writeStatus } from './execute.ts';
import { observeMicroVmSnapshot } from './observe.ts';
import { planMicroVmSnapshot } from './plan.ts';

type Step =
  | { type: 'reconcile'; crashAfter: number; twice: boolean }
  | { type: 'source'; state: MachineState }
  | { type: 'failing'; fails: boolean }
  | { type: 'delete' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('reconcile' as const), crashAfter: fc.nat(4), twice: fc.boolean() }),
  },
  fc.record({
    type: fc.constant('source' as const),
    state: fc.constantFrom(MachineState.RUNNING, MachineState.PAUSED, MachineState.STOPPED, MachineState.CREATING),
  }),
  fc.record({ type: fc.constant('failing' as const), fails: fc.boolean() }),
  fc.constant({ type: 'delete' as const }),
);

interface World {
  kube: MemoryKube;
  flintlock: FakeFlintlock;
  fleet: Fleet;
  clock: ManualClock;
}

async function read(kube: KubeClient): Promise<MicroVmSnapshot | undefined> {
  return kube.get(microVmSnapshots, 'default', 'one').catch((error: TvmError) => {
    if (error.code === 'not_found') return undefined;
    throw error;
  });
}

/** Gives how many actions were planned. */
async function reconcile({ kube, fleet, clock }: World, crashAfter = Number.POSITIVE_INFINITY, twice = false) {
  const [cached, vm] = [await read(kube), await kube.get(microVms, 'default', 'demo')];
  const deps = { fleet, clock, snapshot: () => cached, microVm: () => vm, retryAtMs: () => 0 };
  const plan = planMicroVmSnapshot(await observeMicroVmSnapshot(deps, 'default/one'));
  if (!cached) return 0;
  let snapshot = cached;
  for (const [index, action] of plan.actions.entries()) {
    if (index >= crashAfter) return plan.actions.length;
    for (let time = 0; time < (twice ? 2 : 1); time += 1) {
      const current = (await read(kube)) ?? snapshot;
      snapshot = await executeAction({ client: kube, fleet }, action, current).catch(keepGoing(current));
    }
  }
  const current = await read(kube);
  if (crashAfter > plan.actions.length && current && plan.status && plan.status !== cached.status) {
    const { hosts = plan.status.hosts } = current.status ?? {};
    await writeStatus(kube, current, { ...plan.status, ...(hosts && { hosts }) }).catch(keepGoing(current));
  }
  return plan.actions.length;
}

/** What backoff is for: conflicts, objects that went meanwhile, and what the node refuses. */
const keepGoing = (snapshot: MicroVmSnapshot) => (error: TvmError) => {
  if (['aborted', 'not_found', 'failed_precondition', 'resource_exhausted'].includes(error.code)) return snapshot;
  throw error;
};

async function makeWorld(): Promise<World & { stop: () => Promise<void> }> {
  const clock = makeManualClock();
  const kube = makeMemoryKube(clock.now);
  const flintlock = makeFakeFlintlock();
  const fleet = makeFleet(new Map([['node-a', flintlock.client]]), {
    clock: systemClock,
    log: makeLogger('test', 'silent'),
  });
  const stopped = new AbortController();
  const running = fleet.run(stopped.signal);
  const vm = await kube.create(microVms, microVm('demo'));
  const spec = { image: 'tvm/python', cpus: 1, memoryMib: 256 };
  await flintlock.client.createMachine({ uid: vm.metadata.uid ?? '', generation: 1n, spec });
  const metadata = { name: 'one', namespace: 'default' };
  const source = { source: { microVM: 'demo' }, deletionPolicy: 'Delete' as const };
  await kube.create(microVmSnapshots, { apiVersion, kind: 'MicroVMSnapshot', metadata, spec: source });
  await clock.advance(0);
  const stop = async () => {
    stopped.abort();
    await running;
  };
  return { kube, flintlock, fleet, clock, stop };
}

async function disturb({ kube, flintlock }: World, change: Exclude<Step, { type: 'reconcile' }>): Promise<void> {
  const [uid = ''] = flintlock.machines.keys();
  if (change.type === 'source') flintlock.change(uid, { state: change.state });
  else if (change.type === 'failing') {
    flintlock.snapshotError = change.fails ? new TvmError('resource_exhausted', 'no space') : undefined;
  } else if (await read(kube)) await kube.delete(microVmSnapshots, 'default', 'one');
}

test('whatever happened, it converges', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
      const world = await makeWorld();
      for (const each of steps) {
        if (each.type === 'reconcile') await reconcile(world, each.crashAfter, each.twice);
        else await disturb(world, each);
        await world.clock.advance(0);
      }
      await disturb(world, { type: 'failing', fails: false });
      await disturb(world, { type: 'source', state: MachineState.RUNNING });
      let quiet = 0;
      for (let round = 0; round < 20 && quiet < 2; round += 1) {
        await world.clock.advance(600_000);
        quiet = (await reconcile(world)) === 0 ? quiet + 1 : 0;
      }
      await world.stop();
      const snapshot = await read(world.kube);
      assert.equal(quiet, 2);
      assert.equal(world.flintlock.snapshots.size, snapshot ? 1 : 0);
      if (snapshot) assert.deepEqual([snapshot.status?.phase, snapshot.status?.readyToUse], ['Ready', true]);
    }),
    { numRuns: 60 },
  );
});
