// The number of flintlocks through the scale subresource: what is written, in which order, and what is told when it cannot be.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import type { Reflector } from '@tvm/kit/controller/reflector.ts';
import { deploymentScales, type KubeClient, pods } from '@tvm/kit/kube/client.ts';
import { makeMemoryKube } from '@tvm/kit/kube/memory-client.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import { makeFleet } from '../flintlock/fleet.ts';
import { makeFakeFlintlock } from '../testing/fake-flintlock.ts';
import { microVm } from '../testing/harness.ts';
import { idleMs } from './plan.ts';
import { scaleFlintlocks } from './scaler.ts';

const log = makeLogger('test', 'silent');
const setting = { namespace: 'tvm-nodes', deployment: 'flintlock', min: 1, max: 3 };

async function start(t: TestContext, replicas: number) {
  const [kube, clock] = [makeMemoryKube(), makeManualClock()];
  const fleet = makeFleet(new Map(), { clock, log });
  const stop = new AbortController();
  const told: string[] = [];
  const microVms: MicroVm[] = [];
  const world: { forbidden: boolean } = { forbidden: false };
  const refuse = () => Promise.reject(new TvmError('permission_denied', 'deployments/scale is forbidden'));
  const client: KubeClient = { ...kube, get: (...args) => (world.forbidden ? refuse() : kube.get(...args)) };
  await kube.create(deploymentScales, {
    ...{ apiVersion: 'autoscaling/v1', kind: 'Scale', spec: { replicas } },
    metadata: { name: 'flintlock', namespace: 'tvm-nodes' },
  });
  const join = async (name: string) => {
    await kube.create(pods, { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'tvm-nodes' } });
    const flintlock = makeFakeFlintlock(name);
    fleet.join(name, flintlock.client);
    await clock.advance(0);
    return flintlock;
  };
  const running = [
    fleet.run(stop.signal),
    scaleFlintlocks(
      {
        ...{ client, setting, fleet, clock, log, pool: { wanting: () => [] } },
        microVms: { list: () => microVms } as unknown as Reflector<MicroVm>,
        tell: (type, reason, message) => told.push(`${type} ${reason} ${message}`),
      },
      stop.signal,
    ),
  ];
  t.after(async () => {
    stop.abort();
    await clock.advance(0);
    await Promise.all(running);
  });
  const count = async () => (await kube.get(deploymentScales, 'tvm-nodes', 'flintlock')).spec.replicas;
  return { kube, clock, fleet, told, microVms, world, join, count };
}

const waiting = (name: string, spec: Partial<MicroVm['spec']> = {}): MicroVm => {
  const vm = microVm(name, spec);
  const scheduled = {
    type: 'Scheduled',
    status: 'False',
    reason: 'NoRoom',
    message: '',
    lastTransitionTime: '',
  } as const;
  const metadata = { ...vm.metadata, finalizers: ['vvm.tvm.github.com/machine'] };
  return { ...vm, metadata, status: { conditions: [scheduled] } };
};

test('what waits for room gets it, within the maximum', async (t) => {
  const { clock, join, count, microVms, told } = await start(t, 1);
  await join('a');
  microVms.push(waiting('x'), waiting('from-a-snapshot', { snapshot: 's' }), waiting('y', { desiredState: 'Stopped' }));
  await clock.advance(20_000);
  assert.equal(await count(), 2);
  assert.match(told.join(), /Normal FlintlockScaled tvm-nodes\/flintlock from 1 to 2: 1 machines wait for room/);
  microVms.push(...['1', '2', '3'].map((name) => waiting(name, { memory: 4000 })));
  await clock.advance(20_000);
  assert.equal(await count(), 3);
});

test('an idle one goes: its pod is the cheapest before their number is lowered', async (t) => {
  const { kube, clock, join, count } = await start(t, 2);
  const busy = await join('busy');
  await join('idle');
  const labels = { owner: 'microvm', namespace: 'default', name: 'x' };
  await busy.client.createMachine({
    ...{ uid: 'u', generation: 1n, labels },
    spec: { image: 'i', cpus: 1, memoryMib: 64 },
  });
  await clock.advance(idleMs - 10_000);
  assert.equal(await count(), 2);
  await clock.advance(30_000);
  assert.equal(await count(), 1);
  const cost = async (name: string) =>
    (await kube.get(pods, 'tvm-nodes', name)).metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'];
  assert.deepEqual([await cost('idle'), await cost('busy')], ['-1000', '1']);
  assert.match(kube.writes.at(-1) ?? '', /^patch Deployment/);
  await clock.advance(idleMs * 3);
  assert.equal(await count(), 1, 'never below the minimum');
});

test('what is not allowed is told once, and tried again', async (t) => {
  const { clock, join, count, microVms, told, world } = await start(t, 1);
  await join('a');
  world.forbidden = true;
  microVms.push(waiting('x'));
  await clock.advance(120_000);
  assert.deepEqual(told, ['Warning FlintlockNotScaled deployments/scale is forbidden (see deploy/overlays/elastic)']);
  world.forbidden = false;
  await clock.advance(40_000);
  assert.equal(await count(), 2);
});
