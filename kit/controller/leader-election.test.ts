import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { type KubeClient, leases } from '../kube/client.ts';
import { makeMemoryKube } from '../kube/memory-client.ts';
import { makeLogger } from '../log.ts';
import { type ManualClock, makeManualClock } from '../manual-clock.ts';
import { aborted } from '../run-main.ts';
import { runWhileLeading } from './leader-election.ts';

interface Replica {
  leads: boolean;
  lasts: () => boolean;
  stop: () => Promise<void>;
}

function startReplica(client: KubeClient, clock: ManualClock, identity: string): Replica {
  const stop = new AbortController();
  const replica: Replica = { leads: false, lasts: () => false, stop: async () => {} };
  const log = makeLogger('test', 'silent');
  const running = runWhileLeading(
    { client, clock, log, namespace: 'default', name: 'lock', identity },
    async (term, { lasts }) => {
      replica.leads = true;
      replica.lasts = lasts;
      await aborted(term);
      replica.leads = false;
    },
    stop.signal,
  );
  replica.stop = async () => {
    stop.abort();
    await running;
  };
  return replica;
}

/** A client that can be cut off. */
function cuttable(client: KubeClient) {
  const cut = { now: false };
  const guard =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    (...args: A): Promise<R> =>
      cut.now ? Promise.reject(new TvmError('unavailable', 'cut off')) : call(...args);
  return { cut, client: { ...client, get: guard(client.get), update: guard(client.update) } as KubeClient };
}

test('one leads; when it ends the other follows at once', async () => {
  const [kube, clock] = [makeMemoryKube(), makeManualClock()];
  const first = startReplica(kube, clock, 'first');
  await clock.advance(0);
  const second = startReplica(kube, clock, 'second');
  await clock.advance(60_000);
  assert.deepEqual([first.leads, second.leads], [true, false]);
  await first.stop();
  await clock.advance(2_000);
  assert.deepEqual([first.leads, second.leads], [false, true]);
  assert.equal((await kube.get(leases, 'default', 'lock')).spec.holderIdentity, 'second');
  await second.stop();
});

test('a leader that is cut off stops before another starts', async () => {
  const [kube, clock] = [makeMemoryKube(), makeManualClock()];
  const { client, cut } = cuttable(kube);
  const first = startReplica(client, clock, 'first');
  await clock.advance(0);
  const second = startReplica(kube, clock, 'second');
  await clock.advance(10_000);
  cut.now = true;
  for (let seconds = 0; seconds < 40; seconds += 1) {
    await clock.advance(1_000);
    assert.ok(!(first.leads && second.leads));
  }
  assert.deepEqual([first.leads, second.leads], [false, true]);
  await Promise.all([first.stop(), second.stop()]);
});

test('a renewal that never answers, and a term that nobody has ended yet, is over by the clock', async () => {
  const [kube, clock] = [makeMemoryKube(), makeManualClock()];
  let silent = false;
  const get: KubeClient['get'] = (...args) => (silent ? new Promise(() => {}) : kube.get(...args));
  const replica = startReplica({ ...kube, get }, clock, 'first');
  await clock.advance(5_000);
  assert.ok(replica.leads && replica.lasts());
  silent = true;
  await clock.advance(9_000);
  assert.equal(replica.lasts(), replica.leads);
  await clock.advance(2_000);
  assert.deepEqual([replica.leads, replica.lasts()], [false, false]);
  const stopped = replica.stop();
  await clock.advance(60_000);
  await stopped;
});

test('a replica that was killed goes on at once after its restart', async () => {
  const [kube, clock] = [makeMemoryKube(), makeManualClock()];
  const now = new Date(clock.now()).toISOString();
  await kube.create(leases, {
    apiVersion: leases.apiVersion,
    kind: 'Lease',
    metadata: { name: 'lock', namespace: 'default' },
    spec: { holderIdentity: 'same', renewTime: now, leaseDurationSeconds: 15 },
  });
  const replica = startReplica(kube, clock, 'same');
  await clock.advance(0);
  assert.equal(replica.leads, true);
  await replica.stop();
});
