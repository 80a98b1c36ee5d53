// From any world, with a crash after any action and each action done twice, a session converges; and once it has, no action
// is left, and no machine is that no session stands behind. Time is moved by hand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TvmError } from '@tvm/api/errors.ts';
import type { McpSession } from '@tvm/api/kinds/mcp-session.ts';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import type { MicroVm, MicroVmStatus } from '@tvm/api/kinds/microvm.ts';
import { systemClock } from '@tvm/kit/clock.ts';
import { type ApiObject, mcpSessions, microVms, type Resource, secrets } from '@tvm/kit/kube/client.ts';
import { type MemoryKube, makeMemoryKube } from '@tvm/kit/kube/memory-client.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { type ManualClock, makeManualClock } from '@tvm/kit/manual-clock.ts';
import fc from 'fast-check';
import { makeFleet } from '../flintlock/fleet.ts';
import { makeSessionActivity } from '../mcp/sessions/activity.ts';
import { makeSessionKeys } from '../mcp/sessions/keys.ts';
import { makeSessionTokens } from '../mcp/sessions/tokens.ts';
import { microVm } from '../testing/harness.ts';
import { executeAction, writeStatus } from './execute.ts';
import { machineNameOf, secretNameOf } from './names.ts';
import { type ObserveDeps, observeMcpSession } from './observe.ts';
import { planMcpSession } from './plan.ts';

const idleSeconds = 36_000;

type Step =
  | { type: 'reconcile'; crashAfter: number; twice: boolean; stale: boolean }
  | { type: 'machine'; phase: NonNullable<MicroVmStatus['phase']> }
  | { type: 'bind'; vmId: string | null }
  | { type: 'loseMachine' | 'loseSecret' | 'spoilSecret' | 'rotate' | 'delete' }
  | { type: 'wait'; seconds: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('reconcile' as const),
      crashAfter: fc.nat(4),
      twice: fc.boolean(),
      stale: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('machine' as const),
      phase: fc.constantFrom('Running' as const, 'Failed' as const, 'Paused' as const, 'Creating' as const),
    }),
  },
  fc.record({ type: fc.constant('bind' as const), vmId: fc.constantFrom('demo', 'none', null) }),
  fc.record({ type: fc.constantFrom('loseMachine' as const, 'loseSecret', 'spoilSecret', 'rotate') }),
  fc.record({ type: fc.constantFrom('delete' as const) }),
  fc.record({ type: fc.constant('wait' as const), seconds: fc.constantFrom(1, 7_000, idleSeconds) }),
);

interface World {
  kube: MemoryKube;
  clock: ManualClock;
  deps: Omit<ObserveDeps, 'session' | 'microVm'>;
  /** What the caches had before the last write. */
  before: { session: McpSession | undefined; vms: MicroVm[] };
}

async function makeWorld(): Promise<World> {
  const clock = makeManualClock();
  const kube = makeMemoryKube(clock.now);
  const log = makeLogger('test', 'silent');
  const fleet = makeFleet(new Map(), { clock: systemClock, log });
  const keys = makeSessionKeys({ client: kube, clock, log, namespace: 'default', keepMs: 100_000_000 });
  const tokens = makeSessionTokens({ keys, clock });
  const activity = makeSessionActivity({ client: kube, session: () => undefined, clock, log });
  const facts = { base: 'https://tvm.example', tokenLifeMs: 18_000_000, pools: () => [] };
  await kube.create(microVms, microVm('demo', { mcpMode: true }));
  const metadata = { name: 'agent', namespace: 'default' };
  const spec = { userId: 'alice', groupId: 'research', idleTimeoutSeconds: idleSeconds };
  await kube.create(mcpSessions, { apiVersion, kind: 'MCPSession', metadata, spec });
  const deps = { client: kube, fleet, clock, tokens, activity, ...facts };
  return { kube, clock, deps, before: { session: undefined, vms: [] } };
}

const read = <T extends ApiObject>({ kube }: World, resource: Resource<T>, name: string): Promise<T | undefined> =>
  kube.get(resource, 'default', name).catch((error: TvmError) => {
    if (error.code === 'not_found') return undefined;
    throw error;
  });

const readSession = (world: World) => read(world, mcpSessions, 'agent');

/** What others do: the garbage collector deletes what has lost its owner, the controller of MicroVMs lets go what is deleted. */
async function letMachinesGo(world: World): Promise<void> {
  const { kube } = world;
  const session = await readSession(world);
  for (const { metadata } of (await kube.list(microVms)).items) {
    const isOrphan = metadata.ownerReferences?.every(({ uid }) => uid !== session?.metadata.uid);
    if (isOrphan) await kube.delete(microVms, 'default', metadata.name);
  }
  for (const vm of (await kube.list(microVms)).items) {
    if (vm.metadata.deletionTimestamp)
      await kube.update(microVms, { ...vm, metadata: { ...vm.metadata, finalizers: [] } });
  }
}

/** Gives how many actions were planned. */
async function reconcile(world: World, crashAfter = Number.POSITIVE_INFINITY, twice = false, stale = false) {
  const { kube, deps } = world;
  const now = { session: await readSession(world), vms: (await kube.list(microVms)).items };
  const seen = stale ? { session: world.before.session ?? now.session, vms: world.before.vms } : now;
  world.before = now;
  const microVm = (key: string) => seen.vms.find(({ metadata }) => `default/${metadata.name}` === key);
  const observed = await observeMcpSession({ ...deps, session: () => seen.session, microVm }, 'default/agent');
  if (!observed) return 0;
  const plan = planMcpSession(observed);
  for (const [index, action] of plan.actions.entries()) {
    if (index >= crashAfter) return plan.actions.length;
    for (let time = 0; time < (twice ? 2 : 1); time += 1) {
      const current = (await readSession(world)) ?? observed.session;
      const failed = await executeAction(deps, action, stale ? observed.session : current).then(() => false, endsPass);
      if (failed) return plan.actions.length;
    }
  }
  const current = await readSession(world);
  if (crashAfter > plan.actions.length && current && plan.status !== observed.session.status && !stale) {
    await writeStatus(kube, current, plan.status).catch(endsPass);
  }
  return plan.actions.length;
}

/** What backoff is for: conflicts, and objects that went meanwhile. */
function endsPass(error: TvmError): true {
  if (!['aborted', 'not_found', 'already_exists'].includes(error.code)) throw error;
  return true;
}

async function disturb(world: World, change: Exclude<Step, { type: 'reconcile' }>): Promise<void> {
  const { kube, clock } = world;
  const session = await readSession(world);
  if (!session) return;
  const own = await read(world, microVms, machineNameOf(session));
  const secret = await read(world, secrets, secretNameOf(session));
  if (change.type === 'wait') await clock.advance(change.seconds * 1000);
  else if (change.type === 'machine') {
    const status = { phase: change.phase, reason: change.phase, startedAt: new Date(clock.now()).toISOString() };
    if (own) await kube.updateStatus(microVms, { ...own, status });
  } else if (change.type === 'bind') await kube.patch(mcpSessions, 'default', 'agent', { spec: { vmId: change.vmId } });
  else if (change.type === 'loseMachine') {
    if (own) await kube.delete(microVms, 'default', own.metadata.name);
  } else if (change.type === 'loseSecret') {
    if (secret) await kube.delete(secrets, 'default', secret.metadata.name);
  } else if (change.type === 'spoilSecret') {
    if (secret) await kube.update(secrets, { ...secret, data: { token: 'bm9uZQ==' } });
  } else if (change.type === 'rotate') {
    const tokenGeneration = (session.spec.tokenGeneration ?? 1) + 1;
    await kube.patch(mcpSessions, 'default', 'agent', { spec: { tokenGeneration } });
  } else await kube.delete(mcpSessions, 'default', 'agent');
}

/** Machines that sessions made. */
async function ownMachines({ kube }: World): Promise<string[]> {
  const { items } = await kube.list(microVms);
  return items.filter(({ metadata }) => metadata.ownerReferences).map(({ metadata }) => metadata.name);
}

async function assertSettled(world: World): Promise<void> {
  const session = await readSession(world);
  const machines = await ownMachines(world);
  if (!session || session.status?.state === 'Expired') return assert.deepEqual(machines, []);
  assert.deepEqual(machines, session.spec.vmId === undefined ? [machineNameOf(session)] : []);
  if (session.spec.vmId === 'none') return assert.equal(session.status?.state, 'Pending');
  const secret = await read(world, secrets, secretNameOf(session));
  const token = await world.deps.tokens.inspect(Buffer.from(secret?.data?.token ?? '', 'base64').toString());
  assert.equal(token?.generation, session.spec.tokenGeneration ?? 1);
  assert.equal(session.status?.connectionInfo?.url, token?.audience);
}

test('whatever happened, it converges', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
      const world = await makeWorld();
      for (const each of steps) {
        if (each.type === 'reconcile') await reconcile(world, each.crashAfter, each.twice, each.stale);
        else await disturb(world, each);
        if (each.type === 'wait') await letMachinesGo(world);
      }
      let quiet = 0;
      for (let round = 0; round < 12 && quiet < 2; round += 1) {
        quiet = (await reconcile(world)) === 0 ? quiet + 1 : 0;
        await letMachinesGo(world);
        await world.clock.advance(1000);
      }
      assert.equal(quiet, 2, JSON.stringify((await readSession(world))?.status));
      await assertSettled(world);
      await world.clock.advance((idleSeconds + 7_200) * 1000);
      for (let round = 0; round < 6; round += 1) {
        await reconcile(world);
        await letMachinesGo(world);
        await world.clock.advance(7_200_000);
      }
      assert.equal(await readSession(world), undefined, 'what nobody calls is over, and at last gone');
      assert.deepEqual(await ownMachines(world), []);
    }),
    { numRuns: 60 },
  );
});
