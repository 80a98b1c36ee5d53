// The certificates through their whole life, on a Kubernetes API in memory and with time moved by hand: however it is ended
// and begun anew, both sides trust each other at every moment, also when they learn of a change late.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { certificatesIn, isCurrent, isSignedBy, isWhole, type KeyPair } from '@tvm/kit/certificates/inspect.ts';
import { type KubeClient, secrets } from '@tvm/kit/kube/client.ts';
import { makeMemoryKube } from '@tvm/kit/kube/memory-client.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import fc from 'fast-check';
import { makeClientCertificate } from './client-certificate.ts';
import { reconcileCertificates } from './keeper.ts';
import { overlapMs, planCertificates } from './plan.ts';
import { type Names, observedIn, readSecrets, serverNameOf } from './secrets.ts';

const names: Names = { namespace: 'tvm-system', nodeNamespace: 'tvm-nodes', service: 'flintlock' };
const dayMs = 86_400_000;
const log = makeLogger('test', 'silent');
const never = new AbortController().signal;

function makeWorld() {
  const clock = makeManualClock();
  const kube = makeMemoryKube(clock.now);
  const told: string[] = [];
  const tell = (_: string, reason: string, message: string) => told.push(`${reason}: ${message}`);
  return { clock, kube, told, reconcile: (client: KubeClient = kube) => keep(client) };
  async function keep(client: KubeClient) {
    await reconcileCertificates({ client, names, clock, log, tell }, never);
  }
}

type World = ReturnType<typeof makeWorld>;
const observed = async ({ kube, clock }: World) => observedIn(await readSecrets(kube, names), names, clock.now());

/** Whether a side that knows `mine` and one that knows `theirs` take each other. */
function trust(mine: KeyPair & { authorities: string }, theirs: KeyPair & { authorities: string }, nowMs: number) {
  const takes = (authorities: string, pair: KeyPair) =>
    isCurrent(pair.certificate, nowMs) &&
    isWhole(pair) &&
    certificatesIn(authorities).some((each) => isSignedBy(pair.certificate, each));
  return takes(mine.authorities, theirs) && takes(theirs.authorities, mine);
}

test('made once, then left alone', async () => {
  const world = makeWorld();
  await world.reconcile();
  const { client, server } = await observed(world);
  assert.ok(client && server && trust(client, server, world.clock.now()));
  assert.equal(serverNameOf(names), 'flintlock.tvm-nodes.svc');
  const writes = world.kube.writes.length;
  await world.reconcile();
  assert.equal(world.kube.writes.length, writes);
  assert.equal(world.told.length, 3);
  const secret = await world.kube.get(secrets, 'tvm-nodes', 'flintlock-tls');
  assert.deepEqual(
    [secret.type, Object.keys(secret.data ?? {}).toSorted()],
    ['kubernetes.io/tls', ['ca.crt', 'tls.crt', 'tls.key']],
  );
});

test('renewed at two thirds, under the same authority', async () => {
  const world = makeWorld();
  await world.reconcile();
  const before = await observed(world);
  await world.clock.advance(61 * dayMs);
  await world.reconcile();
  const after = await observed(world);
  assert.notEqual(after.client?.certificate, before.client?.certificate);
  assert.notEqual(after.server?.certificate, before.server?.certificate);
  assert.equal(after.authority?.certificate, before.authority?.certificate);
});

test('the authority too is renewed, and the one before stays trusted', async () => {
  const world = makeWorld();
  await world.reconcile();
  const before = await observed(world);
  for (let days = 0; days < 1225; days += 35) {
    await world.clock.advance(35 * dayMs);
    await world.reconcile();
  }
  const { authority, client, server } = await observed(world);
  assert.notEqual(authority?.certificate, before.authority?.certificate);
  assert.ok(client && server && trust(client, server, world.clock.now()));
  assert.equal(certificatesIn(client.authorities).length, 2);
  await world.clock.advance(overlapMs);
  await world.reconcile();
  assert.ok(isSignedBy((await observed(world)).client?.certificate ?? '', authority?.certificate ?? ''));
});

test('an authority that is lost, or a certificate that is, breaks nothing that runs', async () => {
  const world = makeWorld();
  await world.reconcile();
  const before = await observed(world);
  await world.kube.delete(secrets, 'tvm-system', 'tvm-ca');
  await world.reconcile();
  const during = await observed(world);
  assert.equal(during.server?.certificate, before.server?.certificate, 'it keeps what all trust');
  assert.equal(certificatesIn(during.server?.authorities ?? '').length, 2);
  await world.clock.advance(overlapMs);
  await world.reconcile();
  const after = await observed(world);
  assert.ok(isSignedBy(after.server?.certificate ?? '', during.authority?.certificate ?? ''));
  await world.kube.delete(secrets, 'tvm-nodes', 'flintlock-tls');
  await world.reconcile();
  const { client, server } = await observed(world);
  assert.ok(client && server && trust(client, server, world.clock.now()));
});

test('a Secret full of rubbish is made anew', async () => {
  const world = makeWorld();
  const rubbish = { 'tls.crt': 'enp6', 'tls.key': '', 'ca.crt': '!' };
  for (const [namespace, name] of [
    ['tvm-system', 'tvm-ca'],
    ['tvm-nodes', 'flintlock-tls'],
  ] as const) {
    const metadata = { namespace, name };
    await world.kube.create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata, data: rubbish });
  }
  await world.reconcile();
  const { client, server } = await observed(world);
  assert.ok(client && server && trust(client, server, world.clock.now()));
});

/** Fails at the nth write, done or not: a crash there. */
function crashing(kube: KubeClient, after: number, done: boolean): KubeClient {
  let left = after;
  const once = async <T>(write: () => Promise<T>): Promise<T> => {
    left -= 1;
    if (left === 0 && !done) throw new Error('crash');
    const result = await write();
    if (left === 0) throw new Error('crash');
    return result;
  };
  return {
    ...kube,
    create: (resource, object) => once(() => kube.create(resource, object)),
    update: (resource, object) => once(() => kube.update(resource, object)),
  };
}

const step = fc.record({
  days: fc.nat(40),
  minutes: fc.nat(20),
  crashAfter: fc.nat(4),
  done: fc.boolean(),
  lost: fc.boolean(),
});

test('with crashes and losses, each side trusts what the other showed before', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 4 }), async (steps) => {
      const world = makeWorld();
      await world.reconcile();
      for (const { days, minutes, crashAfter, done, lost } of steps) {
        const before = await observed(world);
        if (lost) await world.kube.delete(secrets, 'tvm-system', 'tvm-ca');
        await world.reconcile(crashing(world.kube, crashAfter, done)).catch(() => undefined);
        const now = await observed(world);
        const nowMs = world.clock.now();
        // One side has what was there before, as a kubelet that has not looked yet.
        if (before.client && before.server && now.client && now.server && isCurrent(before.client.certificate, nowMs)) {
          assert.ok(trust(now.client, before.server, nowMs), 'the flintlocks are behind');
          assert.ok(trust(before.client, now.server, nowMs), 'a replica is behind');
        }
        await world.reconcile();
        await world.clock.advance(days * dayMs + minutes * 60_000);
        await world.reconcile();
      }
      assert.equal(planCertificates(await observed(world)), undefined);
    }),
    { numRuns: 8 },
  );
});

test('a replica waits for the certificate, and keeps the one it has', async () => {
  const world = makeWorld();
  const stop = new AbortController();
  const certificate = makeClientCertificate({ client: world.kube, namespace: 'tvm-system', clock: world.clock, log });
  const running = certificate.run(stop.signal);
  await world.clock.advance(1000);
  assert.match(certificate.missing() ?? '', /has not made it yet/);
  assert.throws(() => certificate.material(), { code: 'unavailable', reason: 'NoClientCertificate' });
  await world.reconcile();
  await world.clock.advance(1000);
  await certificate.whenThere;
  const first = certificate.material().certificate;
  await world.kube.delete(secrets, 'tvm-system', 'lime-ctrl-tls');
  await world.clock.advance(60_000);
  assert.equal(certificate.material().certificate, first);
  await world.reconcile();
  await world.clock.advance(60_000);
  assert.notEqual(certificate.material().certificate, first);
  stop.abort();
  await world.clock.advance(0);
  await running;
});
