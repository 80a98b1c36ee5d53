import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { TvmError } from '@tvm/api/errors.ts';
import { type Logger, makeLogger } from '@tvm/kit/log.ts';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import { makeFakeReviews } from '../testing/fake-reviews.ts';
import type { Question } from './access.ts';
import { makeKubernetesAccess } from './kubernetes.ts';

const token = 'the-token-of-alice';
const listIn = (namespace: string): Question => ({
  verb: 'list',
  resource: 'microvms',
  subresource: '',
  namespace,
  name: '',
});

function setUp(audiences: string[] = [], log = makeLogger('test', 'silent')) {
  const reviews = makeFakeReviews();
  const clock = makeManualClock();
  const access = makeKubernetesAccess({ client: reviews.client, clock, log, audiences, cacheMs: 30_000 });
  reviews.users.set(token, { username: 'alice', groups: ['research'], uid: 'u1', extra: { scopes: ['x'] } });
  reviews.allowed.add('alice list microvms a');
  const whose = (given = token) => access.authenticate(`Bearer ${given}`);
  return { reviews, clock, access, whose };
}

test('who calls is what TokenReview says; what they may do is what SubjectAccessReview says', async () => {
  const { access, whose } = setUp();
  const alice = await whose();
  assert.deepEqual(alice, { user: 'alice', groups: ['research'], uid: 'u1', extra: { scopes: ['x'] } });
  await access.authorize(alice, [listIn('a')]);
  await assert.rejects(access.authorize(alice, [listIn('a'), listIn('b')]), {
    code: 'permission_denied',
    message: 'User "alice" cannot list resource "microvms" in API group "vvm.tvm.github.com" in the namespace "b"',
  });
  await assert.rejects(access.authorize(alice, [listIn('')]), /at the cluster scope/);
  await assert.rejects(
    access.authorize(alice, [{ verb: 'get', path: '/v1/status' }]),
    /cannot get path "\/v1\/status"/,
  );
  await assert.rejects(whose('another'), { code: 'unauthenticated', reason: 'InvalidToken' });
});

test('answers are used for their time and no longer; refusals for a shorter one', async () => {
  const { reviews, clock, access, whose } = setUp();
  const alice = await whose();
  await access.authorize(alice, [listIn('a')]);
  await assert.rejects(access.authorize(alice, [listIn('b')]));
  await assert.rejects(whose('unknown-token'));
  assert.equal(reviews.asked.length, 4);
  reviews.users.clear();
  reviews.allowed.clear();
  reviews.allowed.add('alice list microvms b');
  reviews.users.set('unknown-token', { username: 'bob' });
  await clock.advance(9_999);
  await assert.rejects(access.authorize(await whose(), [listIn('b')]));
  await assert.rejects(whose('unknown-token'));
  assert.equal(reviews.asked.length, 4);
  await clock.advance(1);
  await access.authorize(alice, [listIn('b')]);
  assert.equal((await whose('unknown-token')).user, 'bob');
  await clock.advance(19_999);
  assert.equal((await whose()).user, 'alice');
  await access.authorize(alice, [listIn('a')]);
  await clock.advance(1);
  await assert.rejects(whose(), { code: 'unauthenticated' }, 'a token that was revoked ends with its answer');
  await assert.rejects(access.authorize(alice, [listIn('a')]), { code: 'permission_denied' });
});

test('an API server that does not answer: what is known holds for its time, then nothing is allowed', async () => {
  const { reviews, clock, access, whose } = setUp();
  const alice = await whose();
  await access.authorize(alice, [listIn('a')]);
  for (const code of ['unavailable', 'permission_denied', 'internal'] as const) {
    reviews.failure = () => new TvmError(code, 'down');
    assert.equal((await whose()).user, 'alice');
    await access.authorize(alice, [listIn('a')]);
    const refused = { code: 'unavailable', reason: 'NoReview', retryAfterSeconds: 5 };
    await assert.rejects(access.authorize(alice, [listIn('b')]), refused);
    await assert.rejects(whose('other-token-other'), refused);
  }
  await clock.advance(30_000);
  await assert.rejects(whose(), { code: 'unavailable' });
  await assert.rejects(access.authorize(alice, [listIn('a')]), { code: 'unavailable' });
  reviews.failure = undefined;
  assert.equal((await whose()).user, 'alice', 'failures are not remembered');
});

test('an API server that takes the question and says nothing', async () => {
  const { reviews, clock, whose } = setUp();
  reviews.held = new Promise(() => {});
  const asked = assert.rejects(whose(), { code: 'unavailable' });
  await clock.advance(5_000);
  await asked;
});

test('answers that are none do not count as yes', async () => {
  const { access, reviews, whose } = setUp();
  const alice = await whose();
  const statuses = [undefined, {}, { allowed: 'true' }, { allowed: true, denied: true }, { authenticated: 'yes' }];
  for (const [index, status] of [...statuses, { authenticated: true }, { authenticated: true, user: {} }].entries()) {
    reviews.client.create = async (_resource, object) => ({ ...object, status });
    await assert.rejects(whose(`token-${index}`), JSON.stringify(status));
    await assert.rejects(access.authorize(alice, [listIn(`n${index}`)]), JSON.stringify(status));
  }
});

test('audiences: a token for another is refused, also when the API server knows of none', async () => {
  const { reviews, whose } = setUp(['tvm']);
  reviews.users.set('for-us-for-us', { username: 'bob', audiences: ['tvm', 'other'] });
  reviews.users.set('for-other-for-other', { username: 'eve', audiences: ['other'] });
  assert.equal((await whose('for-us-for-us')).user, 'bob');
  await assert.rejects(whose('for-other-for-other'), { code: 'unauthenticated', hint: /--audience tvm/ });
  await assert.rejects(whose(), { code: 'unauthenticated' });
  reviews.ignoresAudiences = true;
  reviews.users.set('late-late-late', { username: 'eve', audiences: ['other'] });
  await assert.rejects(whose('late-late-late'), { code: 'unauthenticated' });
});

test('many at once with one token make one review; made-up tokens do not fill memory or the API server', async () => {
  const { reviews, whose } = setUp();
  await Promise.all(Array.from({ length: 50 }, () => whose()));
  assert.deepEqual(reviews.asked, ['TokenReview']);
  const held = Promise.withResolvers<void>();
  reviews.held = held.promise;
  const all = Promise.allSettled(Array.from({ length: 300 }, (_, index) => whose(`made-up-${index}`)));
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(reviews.asked.length <= 257, `${reviews.asked.length} reviews under way`);
  held.resolve();
  const codes = (await all).map((each) => (each.status === 'rejected' ? each.reason.code : 'allowed'));
  assert.deepEqual([...new Set(codes)].sort(), ['unauthenticated', 'unavailable']);
  await assert.rejects(whose('x'.repeat(10_000)), /more than 8192/);
});

test('who changed what is logged, and who only looked is not', async () => {
  const lines: unknown[] = [];
  const log = { info: (fields: unknown, text: string) => lines.push([fields, text]) } as unknown as Logger;
  const { access, reviews, whose } = setUp([], log);
  reviews.allowed.add('alice create microvms/exec a');
  const alice = await whose();
  await access.authorize(alice, [listIn('a')]);
  const exec = { verb: 'create', resource: 'microvms', subresource: 'exec', namespace: 'a', name: 'demo' };
  await access.authorize(alice, [exec]);
  await assert.rejects(access.authorize(alice, [{ ...exec, namespace: 'b' }]));
  assert.deepEqual(lines, [
    [{ user: 'alice', right: 'create microvms/exec', namespace: 'a', object: 'demo' }, 'allowed'],
  ]);
});

test('a token is in no error and no log, whatever the API server says', async () => {
  const lines: unknown[] = [];
  const log = { warn: (...words: unknown[]) => lines.push(words) } as unknown as Logger;
  const { reviews, access, whose } = setUp([], log);
  const secret = 'very-secret-token';
  reviews.failure = (sent) => new TvmError('invalid_argument', `wrong: ${JSON.stringify(sent)}`, { cause: sent });
  const told: unknown[] = [];
  await whose(secret).catch((error) => told.push(error));
  reviews.failure = undefined;
  await whose(secret).catch((error) => told.push(error));
  await access.authenticate(`Bearer ${secret} x`).catch((error) => told.push(error));
  assert.deepEqual([told.length, lines.length], [3, 1]);
  assert.doesNotMatch(inspect([...told, ...lines], { depth: 9 }), /very-secret/);
});
