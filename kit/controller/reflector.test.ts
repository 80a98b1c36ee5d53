import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { type KubeClient, type Secret, secrets } from '../kube/client.ts';
import { makeMemoryKube } from '../kube/memory-client.ts';
import { makeLogger } from '../log.ts';
import { makeManualClock } from '../manual-clock.ts';
import { makeReflector } from './reflector.ts';

const secret = (name: string, value = 'x'): Secret => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace: 'default' },
  data: { value },
});

function start(client: KubeClient) {
  const clock = makeManualClock();
  const stop = new AbortController();
  const reflector = makeReflector({
    client,
    resource: secrets,
    clock,
    log: makeLogger('test', 'silent'),
    random: () => 0,
  });
  const seen: string[] = [];
  reflector.subscribe(({ key, object, previous }) => {
    const verb = object ? (previous ? 'modified' : 'added') : 'deleted';
    seen.push(`${verb} ${key}`);
  });
  const running = reflector.run(stop.signal);
  return {
    reflector,
    seen,
    clock,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

test('what is there, then what changes, each told once', async () => {
  const kube = makeMemoryKube();
  await kube.create(secrets, secret('a'));
  await using started = start(kube);
  await started.reflector.whenSynced;
  await kube.create(secrets, secret('b'));
  await kube.patch(secrets, 'default', 'a', { data: { value: 'y' } });
  await kube.delete(secrets, 'default', 'b');
  await started.clock.advance(0);
  assert.deepEqual(started.seen, ['added default/a', 'added default/b', 'modified default/a', 'deleted default/b']);
  assert.equal(started.reflector.get('default/a')?.data?.value, 'y');
});

test('an answer to a write is seen at once, told once, and not undone by what came before it', async () => {
  const kube = makeMemoryKube();
  await kube.create(secrets, secret('a'));
  await using started = start(kube);
  const { reflector, seen, clock } = started;
  await reflector.whenSynced;
  await kube.patch(secrets, 'default', 'a', { data: { value: 'y' } });
  const written = await kube.patch<Secret>(secrets, 'default', 'a', { data: { value: 'z' } });
  reflector.learn(written);
  assert.equal(reflector.get('default/a')?.data?.value, 'z');
  await clock.advance(0);
  assert.equal(reflector.get('default/a')?.data?.value, 'z');
  assert.deepEqual(seen, ['added default/a', 'modified default/a']);
});

test('an answer to a write brings nothing back that is gone, nor replaces another of the same name', async () => {
  const kube = makeMemoryKube();
  const first = await kube.create(secrets, secret('a'));
  await using started = start(kube);
  const { reflector, clock } = started;
  await reflector.whenSynced;
  await kube.delete(secrets, 'default', 'a');
  await clock.advance(0);
  reflector.learn({ ...first, metadata: { ...first.metadata, resourceVersion: '99' } });
  assert.equal(reflector.get('default/a'), undefined);
  const second = await kube.create(secrets, secret('a'));
  await clock.advance(0);
  reflector.learn({ ...first, metadata: { ...first.metadata, resourceVersion: '99' } });
  assert.equal(reflector.get('default/a')?.metadata.uid, second.metadata.uid);
});

test('a watch that breaks is resumed where it was', async () => {
  const kube = makeMemoryKube();
  let breaks = 2;
  let lists = 0;
  const flaky: KubeClient = {
    ...kube,
    list: (...args) => {
      lists += 1;
      return kube.list(...args);
    },
    async *watch(...args) {
      for await (const event of kube.watch(...args)) {
        yield event;
        if (breaks-- > 0) throw new TvmError('unavailable', 'the connection was lost');
      }
    },
  };
  await using started = start(flaky);
  await started.reflector.whenSynced;
  for (const name of ['a', 'b', 'c']) {
    await kube.create(secrets, secret(name));
    await started.clock.advance(60_000);
  }
  assert.deepEqual(started.seen, ['added default/a', 'added default/b', 'added default/c']);
  assert.equal(lists, 1);
});

test('a version that expired means a new list, whose differences are told', async () => {
  const kube = makeMemoryKube();
  for (const name of ['kept', 'lost']) await kube.create(secrets, secret(name));
  let cut = () => {};
  const cutting: KubeClient = {
    ...kube,
    async *watch(resource, options) {
      const broken = new AbortController();
      cut = () => broken.abort();
      yield* kube.watch(resource, { ...options, signal: AbortSignal.any([options.signal, broken.signal]) });
    },
  };
  await using started = start(cutting);
  await started.reflector.whenSynced;
  await started.clock.advance(2000);
  cut();
  await kube.delete(secrets, 'default', 'lost');
  await kube.create(secrets, secret('new'));
  kube.compact();
  await started.clock.advance(60_000);
  assert.deepEqual(started.seen.slice(2), ['deleted default/lost', 'added default/new']);
});

test('a server that is away at first is waited for', async () => {
  const kube = makeMemoryKube();
  let failures = 3;
  const away: KubeClient = {
    ...kube,
    list: (...args) =>
      failures-- > 0 ? Promise.reject(new TvmError('unavailable', 'connection refused')) : kube.list(...args),
  };
  await using started = start(away);
  assert.equal(started.reflector.synced, false);
  await started.clock.advance(60_000);
  assert.equal(started.reflector.synced, true);
});

test('what a person must do something about is told until it is done', async () => {
  const kube = makeMemoryKube();
  let error: TvmError | undefined = new TvmError('not_found', 'the server could not find the requested resource');
  const refusing: KubeClient = { ...kube, list: (...args) => (error ? Promise.reject(error) : kube.list(...args)) };
  await using started = start(refusing);
  await started.clock.advance(10_000);
  assert.match(started.reflector.trouble ?? '', /does not know secrets of v1: apply deploy\/crds/);
  error = new TvmError('permission_denied', 'secrets is forbidden');
  await started.clock.advance(60_000);
  assert.match(started.reflector.trouble ?? '', /may not be read: apply the roles.*forbidden/);
  error = undefined;
  await started.clock.advance(60_000);
  assert.equal(started.reflector.trouble, undefined);
});
