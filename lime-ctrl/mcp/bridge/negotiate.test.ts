// Which era a server is taken to speak, by what it answers and when.
import assert from 'node:assert/strict';
import test from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import { errorOf, isRequest, type Message, type RpcResponse, resultOf } from './messages.ts';
import { openModern } from './negotiate.ts';
import type { Receiver, Wire } from './wire.ts';

const client = { info: { name: 'test', version: '1' }, capabilities: {} };
const discovery = { supportedVersions: ['2026-07-28'], capabilities: {} };
const hello = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 's', version: '1' } };

/** Time passes only when somebody waits for it. */
const impatient: Clock = { now: () => 0, sleep: () => Promise.resolve() };
const patient: Clock = {
  now: () => 0,
  sleep: (_ms, signal) => new Promise((resolve) => signal?.addEventListener('abort', () => resolve())),
};

interface Fake extends Wire {
  methods: string[];
}

/** A server that answers each method with what the table says: at once, or when it is asked the next thing. */
function fakeServer(answers: Record<string, (id: string) => Message[]>): Fake {
  let receiver: Receiver | undefined;
  const methods: string[] = [];
  const ended = Promise.withResolvers<TvmError>();
  return {
    methods,
    ended: ended.promise,
    end: () => ended.resolve(new TvmError('unavailable', 'ended')),
    receive(next) {
      receiver = next;
    },
    send(message) {
      if (!isRequest(message)) return;
      methods.push(message.method);
      for (const answer of answers[message.method]?.(String(message.id)) ?? [])
        queueMicrotask(() => void receiver?.(answer));
    },
  };
}

const found = (id = 'discover'): RpcResponse => resultOf(id, discovery);

test('an answer to the discovery: modern', async () => {
  const server = fakeServer({ 'server/discover': (id) => [found(id)] });
  assert.deepEqual((await openModern(async () => server, client, undefined, patient)).era, 'modern');
});

test('an error to the discovery: legacy', async () => {
  const server = fakeServer({
    'server/discover': (id) => [errorOf(id, -32601, 'Method not found')],
    initialize: (id) => [resultOf(id, hello)],
  });
  assert.deepEqual((await openModern(async () => server, client, undefined, patient)).era, 'legacy');
});

test('silence to the discovery, an answer to initialize: legacy', async () => {
  const server = fakeServer({ initialize: (id) => [resultOf(id, hello)] });
  assert.deepEqual((await openModern(async () => server, client, undefined, onceImpatient())).era, 'legacy');
});

test('a late answer to the discovery: modern, and a server that took initialize too is started anew', async () => {
  const both = fakeServer({ initialize: (id) => [found(), resultOf(id, hello)] });
  const again = fakeServer({});
  const servers = [both, again];
  const opened = await openModern(async () => servers.shift() as Wire, client, undefined, onceImpatient());
  assert.deepEqual([opened.era, opened.wire === again], ['modern', true]);
  const strict = fakeServer({ initialize: (id) => [found(), errorOf(id, -32022, 'Unsupported protocol version')] });
  const second = await openModern(async () => strict, client, undefined, onceImpatient());
  assert.deepEqual([second.era, second.wire === strict], ['modern', true]);
});

test('one that refuses both, and one that ends', async () => {
  const server = fakeServer({
    'server/discover': (id) => [errorOf(id, -1, 'no')],
    initialize: (id) => [errorOf(id, -1, 'no key is set')],
  });
  await assert.rejects(
    openModern(async () => server, client, undefined, patient),
    /refuses to start: no key is set/,
  );
  const dead = fakeServer({});
  dead.end();
  await assert.rejects(
    openModern(async () => dead, client, undefined, patient),
    /ended/,
  );
});

/** The first wait is over at once, further ones never. */
function onceImpatient(): Clock {
  let waits = 0;
  return { now: () => 0, sleep: (ms, signal) => (waits++ === 0 ? impatient : patient).sleep(ms, signal) };
}
