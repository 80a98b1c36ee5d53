import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { TvmError } from '@tvm/api/errors.ts';
import { type KubeClient, secrets } from '@tvm/kit/kube/client.ts';
import { makeMemoryKube } from '@tvm/kit/kube/memory-client.ts';
import { type Logger, makeLogger } from '@tvm/kit/log.ts';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import fc from 'fast-check';
import { type KeyRing, nextRing, rotateAfterMs, type SigningKey, signingKeyOf } from './key-ring.ts';
import { keysSecretName, makeSessionKeys } from './keys.ts';

const keepMs = 86_400_000;

function setUp(log: Logger = makeLogger('test', 'silent')) {
  const clock = makeManualClock();
  const kube = makeMemoryKube(clock.now);
  const replica = (client: KubeClient = kube) => makeSessionKeys({ client, clock, log, namespace: 'tvm', keepMs });
  return { clock, kube, replica };
}

test('replicas that begin at once have the same key', async () => {
  const { kube, replica } = setUp();
  const all = await Promise.all(Array.from({ length: 5 }, async () => (await replica().signing()).id));
  assert.equal(new Set(all).size, 1);
  assert.equal((await kube.list(secrets)).items.length, 1);
});

test('a new key signs only once every replica has read it; the old one verifies as long as its tokens live', async () => {
  const { clock, replica } = setUp();
  const [a, b] = [replica(), replica()];
  const first = (await a.signing()).id;
  await b.signing();
  await clock.advance(rotateAfterMs);
  assert.equal((await a.signing()).id, first, 'a has just made another key');
  await clock.advance(20_000);
  assert.equal((await b.signing()).id, first);
  await clock.advance(60_000);
  const second = (await a.signing()).id;
  assert.notEqual(second, first);
  assert.ok((await b.verifying(second)) && (await b.verifying(first)));
  await clock.advance(keepMs + 60_000);
  assert.equal(await b.verifying(first), undefined);
  assert.ok(await b.verifying(second));
});

test('a new key seals only once every replica has read it, and opens before that; who misses one reads anew', async () => {
  const { clock, kube, replica } = setUp();
  const [a, b] = [replica(), replica()];
  const [first] = await a.derived('mcp');
  await b.derived('mcp');
  await clock.advance(rotateAfterMs);
  const rotated = await a.derived('mcp');
  assert.deepEqual([rotated.length, rotated[0]], [2, first]);
  await clock.advance(100_000);
  const [second] = await a.derived('mcp');
  assert.notDeepEqual(second, first);
  assert.deepEqual((await b.derived('mcp'))[0], second);
  await kube.delete(secrets, 'tvm', keysSecretName);
  const [remade] = await replica().derived('mcp');
  assert.deepEqual((await b.derived('mcp'))[0], second);
  assert.deepEqual((await b.derived('mcp', true))[0], second, 'they were read just now');
  await clock.advance(2_000);
  assert.deepEqual(await b.derived('mcp', true), [remade]);
});

test('a ring never loses a key that something may still be signed with, and always has one that signs', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 * 86_400_000 }), { maxLength: 30 }), (delays) => {
      let nowMs = 1_000_000;
      let ring: KeyRing = [];
      const lastSigned = new Map<string, number>();
      for (const [index, delay] of delays.entries()) {
        nowMs += delay;
        const fresh: SigningKey = { id: `key-${index}-xxxx`, secret: 'x', createdAtMs: nowMs };
        ring = nextRing(ring, nowMs, keepMs, fresh) ?? ring;
        const signing = signingKeyOf(ring, nowMs);
        assert.ok(signing);
        lastSigned.set(signing.id, nowMs);
        for (const [id, atMs] of lastSigned) {
          if (nowMs - atMs < keepMs)
            assert.ok(
              ring.some((each) => each.id === id),
              id,
            );
        }
        assert.equal(nextRing(ring, nowMs, keepMs, fresh), undefined, 'once it is as it should be, it stays');
      }
    }),
  );
});

test('without the API server what was read goes on serving; who never read says so', async () => {
  const { clock, kube, replica } = setUp();
  let down = false;
  const get: KubeClient['get'] = (...about) => {
    if (down) throw new TvmError('unavailable', 'connection refused');
    return kube.get(...about);
  };
  const keys = replica({ ...kube, get });
  const { id } = await keys.signing();
  down = true;
  await clock.advance(3_600_000);
  assert.equal((await keys.signing()).id, id);
  assert.equal(await keys.verifying('unknown'), undefined);
  const refused = { code: 'unavailable', reason: 'NoSessionKeys' };
  await assert.rejects(replica({ ...kube, get }).signing(), refused);
  down = false;
  const forbidden = { ...kube, create: () => Promise.reject(new TvmError('permission_denied', 'no')) };
  await kube.delete(secrets, 'tvm', keysSecretName);
  await assert.rejects(replica(forbidden).signing(), { ...refused, hint: /needs to get, create and update Secrets/ });
});

test('a Secret that somebody spoilt is not overwritten', async () => {
  const { kube, replica } = setUp();
  await replica().signing();
  const found = await kube.get(secrets, 'tvm', keysSecretName);
  for (const text of ['', '{}', '[{"id":"short","secret":"x","createdAtMs":1}]']) {
    const current = await kube.get(secrets, 'tvm', keysSecretName);
    await kube.update(secrets, { ...current, data: { 'keys.json': Buffer.from(text).toString('base64') } });
    await assert.rejects(replica().signing(), { code: 'unavailable', hint: /Delete it/ });
  }
  assert.notDeepEqual((await kube.get(secrets, 'tvm', keysSecretName)).data, found.data);
});

test('unknown key ids do not make the API server be asked without end; derived keys differ by purpose', async () => {
  const { clock, kube, replica } = setUp();
  let asked = 0;
  const get: KubeClient['get'] = (...about) => {
    asked += 1;
    return kube.get(...about);
  };
  const keys = replica({ ...kube, get });
  await keys.signing();
  asked = 0;
  for (let time = 0; time < 100; time += 1) await keys.verifying(`made-up-${time}`);
  assert.equal(asked, 0);
  await clock.advance(2_000);
  for (let time = 0; time < 100; time += 1) await keys.verifying(`made-up-${time}`);
  assert.equal(asked, 1);
  const [one] = await keys.derived('one');
  const [two] = await keys.derived('two');
  assert.equal(one?.length, 32);
  assert.notDeepEqual(one, two);
});

test('no key is in a log or an error', async () => {
  const lines: unknown[] = [];
  const log = { warn: (...words: unknown[]) => lines.push(words) } as unknown as Logger;
  const { clock, kube, replica } = setUp(log);
  const keys = replica();
  await keys.signing();
  const secret = await kube.get(secrets, 'tvm', keysSecretName);
  const text = Buffer.from(secret.data?.['keys.json'] ?? '', 'base64').toString();
  const [{ secret: key }] = JSON.parse(text);
  await kube.update(secrets, { ...secret, data: { 'keys.json': Buffer.from(`${text}x`).toString('base64') } });
  await clock.advance(60_000);
  await keys.signing();
  await replica()
    .signing()
    .catch((error) => lines.push(error));
  assert.equal(lines.length, 2);
  assert.ok(!inspect(lines, { depth: 9 }).includes(key));
});
