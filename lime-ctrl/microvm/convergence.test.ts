// From any world, with a crash after any action and each action done twice, with nodes that are drained, end and come back,
// the controller converges; and once it has, no action is left. Time is moved by hand, kube and flintlock are the in-memory ones.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TvmError } from '@tvm/api/errors.ts';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import { systemClock } from '@tvm/kit/clock.ts';
import { microVms } from '@tvm/kit/kube/client.ts';
import { type MemoryKube, makeMemoryKube } from '@tvm/kit/kube/memory-client.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { type ManualClock, makeManualClock } from '@tvm/kit/manual-clock.ts';
import fc from 'fast-check';
import { type Fleet, makeFleet } from '../flintlock/fleet.ts';
import { type FakeFlintlock, makeFakeFlintlock } from '../testing/fake-flintlock.ts';
import { type Activity, makeActivity } from './activity.ts';
import { destroyMachine, executeAction, writeStatus } from './execute.ts';
import { makeFailureLog } from './failure-log.ts';
import { observeMicroVm } from './observe.ts';
import { planMicroVm } from './plan.ts';

type Step =
  | { type: 'reconcile'; crashAfter: number; twice: boolean }
  | { type: 'want'; state: 'Running' | 'Paused' | 'Stopped' }
  | { type: 'idle'; onIdle: 'Pause' | 'Stop' | undefined }
  | { type: 'die' }
  | { type: 'wipe' }
  | { type: 'delete' }
  | { type: 'drain' | 'leave' | 'return'; node: NodeName };

const nodeNames = ['node-a', 'node-b'] as const;
type NodeName = (typeof nodeNames)[number];

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('reconcile' as const), crashAfter: fc.nat(4), twice: fc.boolean() }),
  },
  fc.record({
    type: fc.constant('want' as const),
    state: fc.constantFrom('Running' as const, 'Paused' as const, 'Stopped' as const),
  }),
  fc.record({
    type: fc.constant('idle' as const),
    onIdle: fc.constantFrom('Pause' as const, 'Stop' as const, undefined),
  }),
  fc.constant({ type: 'die' as const }),
  fc.constant({ type: 'wipe' as const }),
  fc.constant({ type: 'delete' as const }),
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constantFrom('drain' as const, 'leave' as const, 'return' as const),
      node: fc.constantFrom(...nodeNames),
    }),
  },
);

interface World {
  kube: MemoryKube;
  flintlocks: Record<NodeName, FakeFlintlock>;
  fleet: Fleet;
  clock: ManualClock;
  failures: ReturnType<typeof makeFailureLog>;
  activity: Activity;
}

const read = ({ kube }: World): Promise<MicroVm | undefined> =>
  kube.get(microVms, 'default', 'demo').catch((error: TvmError) => {
    if (error.code === 'not_found') return undefined;
    throw error;
  });

/** Gives how many actions were planned. */
async function reconcile(world: World, crashAfter = Number.POSITIVE_INFINITY, twice = false): Promise<number> {
  const { kube, fleet, clock, failures, activity } = world;
  const cached = await read(world);
  const { observed, secretInputs } = await observeMicroVm(
    { client: kube, fleet, failures, activity, clock, cached: () => cached, snapshot: () => undefined },
    'default/demo',
  );
  const plan = planMicroVm(observed);
  let vm = observed.vm;
  for (const [index, action] of plan.actions.entries()) {
    if (index >= crashAfter) return plan.actions.length;
    if (!vm && action.type === 'destroyMachine') await destroyMachine(fleet, action).catch(() => undefined);
    if (!vm) continue;
    for (let time = 0; time < (twice ? 2 : 1); time += 1) {
      vm = await executeAction({ client: kube, fleet }, action, (await read(world)) ?? vm, secretInputs).catch(
        keepGoing(vm),
      );
    }
  }
  const current = await read(world);
  if (crashAfter > plan.actions.length && current && plan.status && plan.status !== observed.vm?.status) {
    await writeStatus(kube, current, plan.status).catch(keepGoing(current));
  }
  return plan.actions.length;
}

/** What backoff is for: conflicts, and objects that went meanwhile. */
const keepGoing = (vm: MicroVm) => (error: TvmError) => {
  if (['aborted', 'not_found', 'failed_precondition'].includes(error.code)) return vm;
  throw error;
};

async function disturb(world: World, change: Exclude<Step, { type: 'reconcile' }>): Promise<void> {
  const { kube, fleet, flintlocks } = world;
  if ('node' in change) return moveNode(fleet, change.type, change.node, flintlocks[change.node]);
  const uid = (await read(world))?.metadata.uid;
  if (!uid) return;
  if (change.type === 'want') await kube.patch(microVms, 'default', 'demo', { spec: { desiredState: change.state } });
  else if (change.type === 'idle') {
    const spec = change.onIdle ? { idleTimeoutSeconds: 1, onIdle: change.onIdle } : { idleTimeoutSeconds: null };
    await kube.patch(microVms, 'default', 'demo', { spec });
  } else if (change.type === 'delete') await kube.delete(microVms, 'default', 'demo');
  else {
    for (const flintlock of Object.values(flintlocks)) {
      if (change.type === 'wipe') await flintlock.client.destroyMachine({ uid });
      else flintlock.change(uid, { state: MachineState.FAILED, reason: 'VmmExited' });
    }
  }
}

/** One that returns knows the machines that it had, whose VMMs ended with it. */
function moveNode(fleet: Fleet, how: 'drain' | 'leave' | 'return', name: NodeName, flintlock: FakeFlintlock): void {
  if (how === 'drain') fleet.mark(name, { cordoned: false, draining: true });
  else if (how === 'leave') fleet.leave(name);
  else {
    if (!fleet.nodes().some((node) => node.name === name)) {
      for (const uid of flintlock.machines.keys()) {
        flintlock.change(uid, { state: MachineState.FAILED, reason: 'VmmExited' });
      }
      fleet.join(name, flintlock.client);
    }
    fleet.mark(name, { cordoned: false, draining: false });
  }
}

function matches(vm: MicroVm | undefined, { flintlocks }: World): boolean {
  const [machine, ...others] = Object.values(flintlocks).flatMap(({ machines }) => [...machines.values()]);
  if (others.length > 0) return false;
  if (!vm) return machine === undefined;
  const wanted = vm.spec.desiredState;
  if (wanted === 'Stopped')
    return machine === undefined || machine.state === MachineState.STOPPED || machine.state === MachineState.FAILED;
  const rests = wanted === 'Paused' || vm.status?.reason === 'Idle';
  return machine?.state === (rests ? MachineState.PAUSED : MachineState.RUNNING);
}

test('whatever happened, it converges', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
      const clock = makeManualClock();
      const kube = makeMemoryKube(clock.now);
      const flintlocks = { 'node-a': makeFakeFlintlock('node-a'), 'node-b': makeFakeFlintlock('node-b') };
      const log = makeLogger('test', 'silent');
      const fleet = makeFleet(new Map(Object.entries(flintlocks).map(([name, { client }]) => [name, client])), {
        clock: systemClock,
        log,
      });
      const activity = makeActivity({ fleet, clock });
      const world: World = { kube, flintlocks, fleet, clock, failures: makeFailureLog(), activity };
      const stop = new AbortController();
      const running = fleet.run(stop.signal);
      await kube.create(microVms, {
        apiVersion,
        kind: 'MicroVM',
        metadata: { name: 'demo', namespace: 'default' },
        spec: { image: 'tvm/python', cpu: 1, memory: 256, desiredState: 'Running' },
      });
      await clock.advance(0);
      for (const each of steps) {
        if (each.type === 'reconcile') await reconcile(world, each.crashAfter, each.twice);
        else await disturb(world, each);
        await clock.advance(0);
      }
      for (const name of nodeNames) moveNode(fleet, 'return', name, flintlocks[name]);
      await clock.advance(0);
      let quiet = 0;
      for (let round = 0; round < 30 && quiet < 2; round += 1) {
        quiet = (await reconcile(world)) === 0 && matches(await read(world), world) ? quiet + 1 : 0;
        await clock.advance(600_000);
      }
      stop.abort();
      await clock.advance(0);
      await running;
      assert.equal(
        quiet,
        2,
        `${JSON.stringify((await read(world))?.status)} ${fleet.machines().map(({ node, machine }) => `${node}: ${machine.state}`)}`,
      );
    }),
    { numRuns: 60 },
  );
});
