// From any world, with a crash after any action and each action done twice, the controller converges; and once it has, no
// action is left. Time is moved by hand, kube and flintlock are the in-memory ones.
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
import { executeAction, writeStatus } from './execute.ts';
import { makeFailureLog } from './failure-log.ts';
import { observeMicroVm } from './observe.ts';
import { planMicroVm } from './plan.ts';

type Step =
  | { type: 'reconcile'; crashAfter: number; twice: boolean }
  | { type: 'want'; state: 'Running' | 'Paused' | 'Stopped' }
  | { type: 'idle'; onIdle: 'Pause' | 'Stop' | undefined }
  | { type: 'die' }
  | { type: 'wipe' }
  | { type: 'delete' };

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
);

interface World {
  kube: MemoryKube;
  flintlock: FakeFlintlock;
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
  const { observed, secretEnv } = await observeMicroVm(
    { client: kube, fleet, failures, activity, clock, cached: () => cached, snapshot: () => undefined },
    'default/demo',
  );
  const plan = planMicroVm(observed);
  let vm = observed.vm;
  for (const [index, action] of plan.actions.entries()) {
    if (index >= crashAfter) return plan.actions.length;
    if (!vm) throw new Error('an action without an object');
    for (let time = 0; time < (twice ? 2 : 1); time += 1) {
      vm = await executeAction({ client: kube, fleet }, action, (await read(world)) ?? vm, secretEnv).catch(
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
  const { kube, flintlock } = world;
  const uid = (await read(world))?.metadata.uid;
  if (!uid) return;
  if (change.type === 'want') await kube.patch(microVms, 'default', 'demo', { spec: { desiredState: change.state } });
  else if (change.type === 'idle') {
    const spec = change.onIdle ? { idleTimeoutSeconds: 1, onIdle: change.onIdle } : { idleTimeoutSeconds: null };
    await kube.patch(microVms, 'default', 'demo', { spec });
  } else if (change.type === 'delete') await kube.delete(microVms, 'default', 'demo');
  else if (change.type === 'die') flintlock.change(uid, { state: MachineState.FAILED, reason: 'VmmExited' });
  else await flintlock.client.destroyMachine({ uid });
}

function matches(vm: MicroVm | undefined, flintlock: FakeFlintlock): boolean {
  const [machine, ...others] = flintlock.machines.values();
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
      const flintlock = makeFakeFlintlock();
      const log = makeLogger('test', 'silent');
      const fleet = makeFleet(new Map([['node-a', flintlock.client]]), { clock: systemClock, log });
      const activity = makeActivity({ fleet, clock });
      const world: World = { kube, flintlock, fleet, clock, failures: makeFailureLog(), activity };
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
      let quiet = 0;
      for (let round = 0; round < 30 && quiet < 2; round += 1) {
        quiet = (await reconcile(world)) === 0 && matches(await read(world), flintlock) ? quiet + 1 : 0;
        await clock.advance(600_000);
      }
      stop.abort();
      await clock.advance(0);
      await running;
      assert.equal(
        quiet,
        2,
        `${JSON.stringify((await read(world))?.status)} ${[...flintlock.machines.values()].map((m) => m.state)}`,
      );
    }),
    { numRuns: 60 },
  );
});
