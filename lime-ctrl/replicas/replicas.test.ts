// Several replicas on one Kubernetes API in memory: who lives, who keeps which part, what a dead one leaves, and what a
// former leader can still do.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { systemClock } from '@tvm/kit/clock.ts';
import { type KubeClient, type Lease, leases, secrets } from '@tvm/kit/kube/client.ts';
import { type MemoryKube, makeMemoryKube } from '@tvm/kit/kube/memory-client.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { type ManualClock, makeManualClock } from '@tvm/kit/manual-clock.ts';
import fc from 'fast-check';
import { makeFleet } from '../flintlock/fleet.ts';
import { makeFakeFlintlock } from '../testing/fake-flintlock.ts';
import { eventually } from '../testing/harness.ts';
import { fencedFleet, fencedKube } from './fence.ts';
import { lifeMs, makeLiveness } from './liveness.ts';
import { reapDeadReplicas } from './reaper.ts';
import { leaseNameOf, makeReplicas, type Replicas } from './replicas.ts';
import { shareOf } from './share.ts';

const namespace = 'tvm-system';
const log = makeLogger('test', 'silent');

interface Started extends Replicas {
  stop: () => Promise<void>;
  kill: () => void;
}

function start(t: TestContext, client: KubeClient, clock: ManualClock, own: string): Started {
  const stop = new AbortController();
  let killed = false;
  const dead = () => Promise.reject(new TvmError('unavailable', 'killed'));
  const guard =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    (...args: A): Promise<R> =>
      killed ? dead() : call(...args);
  const guarded = { ...client, get: guard(client.get), update: guard(client.update), list: guard(client.list) };
  const replicas = makeReplicas({ client: guarded as KubeClient, namespace, own, url: `http://${own}:1`, clock, log });
  const running = replicas.run(stop.signal);
  const end = async () => {
    stop.abort();
    await clock.advance(0);
    await running;
  };
  t.after(end);
  return Object.assign(Object.create(replicas) as Replicas, {
    stop: end,
    kill: () => {
      killed = true;
    },
  });
}

test('replicas know of each other; one that is killed is missed, one that ends is gone at once', async (t) => {
  const [kube, clock] = [makeMemoryKube(), makeManualClock()];
  const [a, b, c] = ['a', 'b', 'c'].map((name) => start(t, kube, clock, name)) as [Started, Started, Started];
  await clock.advance(10_000);
  assert.deepEqual(
    [a.living(), b.living()],
    [
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
    ],
  );
  assert.deepEqual([a.urlOf('c'), a.urlOf('nobody')], ['http://c:1', undefined]);
  await b.stop();
  await clock.advance(6_000);
  assert.deepEqual(a.living(), ['a', 'c']);
  c.kill();
  await clock.advance(10_000);
  assert.deepEqual(a.living(), ['a', 'c'], 'not so soon');
  await clock.advance(lifeMs);
  assert.deepEqual(a.living(), ['a']);
});

test('an API server that is away kills nobody', async (t) => {
  const [kube, clock] = [makeMemoryKube(), makeManualClock()];
  let away = false;
  const guard = { get: (target: MemoryKube, name: keyof MemoryKube) => (away ? refuse : target[name]) };
  const refuse = () => Promise.reject(new TvmError('unavailable', 'connection refused'));
  const client = new Proxy(kube, guard) as KubeClient;
  const view: KubeClient = {
    ...kube,
    get: (...args) => client.get(...args),
    list: (...args) => client.list(...args),
    update: (...args) => client.update(...args),
    create: (...args) => client.create(...args),
  };
  const [a, b] = [start(t, view, clock, 'a'), start(t, view, clock, 'b')];
  await clock.advance(10_000);
  away = true;
  await clock.advance(60_000);
  assert.deepEqual(a.living(), ['a', 'b']);
  away = false;
  for (let seconds = 0; seconds < 60; seconds += 1) {
    await clock.advance(1_000);
    assert.deepEqual(
      [a.living(), b.living()],
      [
        ['a', 'b'],
        ['a', 'b'],
      ],
    );
  }
});

test('a Lease written around validation is nobody’s', () => {
  const lease = { apiVersion: 'v1', kind: 'Lease', metadata: { name: 'x', resourceVersion: '1' } } as unknown as Lease;
  assert.deepEqual(makeLiveness().observe([lease], 0), []);
});

test('the parts add up to the whole, and differ by one at most', () => {
  const names = fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(fc.nat(50), fc.string(), names, (whole, key, living) => {
      const parts = living.map((own) => shareOf(whole, key, own, living));
      assert.equal(
        parts.reduce((sum, each) => sum + each, 0),
        whole,
      );
      assert.ok(Math.max(...parts) - Math.min(...parts) <= 1);
    }),
  );
  assert.equal(shareOf(3, 'k', 'gone', ['a']), 0);
});

test('what a dead replica left is destroyed, what a new one has made is not', async (t) => {
  const kube = makeMemoryKube();
  const flintlock = makeFakeFlintlock();
  const fleet = makeFleet(new Map([['node-a', flintlock.client]]), { clock: systemClock, log });
  const stop = new AbortController();
  const listeners = new Set<() => void>();
  let living = ['leader'];
  let readings = 0;
  const replicas: Replicas = {
    own: 'leader',
    living: () => living,
    urlOf: () => undefined,
    get readings() {
      return readings;
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    whenListed: Promise.resolve(),
    run: async () => {},
  };
  const read = async () => {
    readings += 1;
    for (const listener of listeners) listener();
    await new Promise((resolve) => setTimeout(resolve, 20));
  };
  const machine = (uid: string, labels: Record<string, string>) =>
    flintlock.client.createMachine({ uid, generation: 1n, labels, spec: { image: 'i', cpus: 1, memoryMib: 64 } });
  await machine('dead-pool', { owner: 'pool', replica: 'dead' });
  await machine('dead-run', { owner: 'execute', replica: 'dead' });
  await machine('own', { owner: 'pool', replica: 'leader' });
  await machine('declared', { owner: 'microvm', namespace: 'n', name: 'x' });
  await machine('young', { owner: 'pool', replica: 'young' });
  const metadata = { name: leaseNameOf('dead'), namespace };
  await kube.create(leases, { apiVersion: leases.apiVersion, kind: 'Lease', metadata, spec: {} });
  const running = [
    fleet.run(stop.signal),
    reapDeadReplicas({ client: kube, namespace, fleet, replicas, log }, stop.signal),
  ];
  t.after(async () => {
    stop.abort();
    await Promise.all(running);
  });
  await eventually(() => fleet.machines().length === 5);
  await read();
  living = ['leader', 'young'];
  await read();
  await read();
  await eventually(() => flintlock.machines.size === 3);
  assert.deepEqual([...flintlock.machines.keys()].toSorted(), ['declared', 'own', 'young']);
  await assert.rejects(kube.get(leases, namespace, leaseNameOf('dead')), { code: 'not_found' });
});

test('a former leader writes nothing and calls nobody', async (t) => {
  const kube = makeMemoryKube();
  const flintlock = makeFakeFlintlock();
  const fleet = makeFleet(new Map([['node-a', flintlock.client]]), { clock: systemClock, log });
  const ended = new AbortController();
  let lasts = true;
  const term = { signal: ended.signal, lasts: () => lasts };
  const client = fencedKube(kube, term);
  const fenced = fencedFleet(fleet, term);
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's', namespace: 'default' } };
  await client.create(secrets, secret);
  const spec = { image: 'i', cpus: 1, memoryMib: 64 };
  await fenced.client('node-a').createMachine({ uid: 'u', generation: 1n, spec });
  const watching = (async () => {
    for await (const _ of fenced.client('node-a').watchMachines({}));
  })();
  t.after(() => watching.catch(() => undefined));
  // A process that was stopped for long finds out by the clock, before any timer fires.
  lasts = false;
  const refused = { code: 'aborted', reason: 'NotLeading' };
  await assert.rejects(client.update(secrets, secret), refused);
  await assert.rejects(client.delete(secrets, 'default', 's'), refused);
  assert.throws(() => fenced.client('node-a').destroyMachine({ uid: 'u' }), refused);
  assert.equal((await client.get(secrets, 'default', 's')).metadata.name, 's');
  assert.equal(fenced.known, true);
  assert.ok(flintlock.machines.has('u'));
  ended.abort();
  await assert.rejects(watching);
});
