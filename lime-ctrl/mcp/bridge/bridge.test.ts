// Which server a client gets, when servers end, and what is said when the machine is gone.
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import test from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { makeLocalMachine } from '../../testing/local-machine.ts';
import { startBridge, textOf, until } from '../../testing/mcp-bridge.ts';
import { endServerProcesses } from './server-process.ts';

const options = { timeout: 30_000 };
const asking = { capabilities: { elicitation: { form: {} } } };

test(
  'a connection of the legacy era has a server of its own; callers of the modern one share theirs',
  options,
  async () => {
    await using bridge = await startBridge();
    const clients = [
      await bridge.connect('legacy', 'legacy'),
      await bridge.connect('legacy', 'legacy'),
      await bridge.connect('modern', 'modern'),
      await bridge.connect('modern', 'modern'),
    ];
    const pids = [];
    for (const client of clients) pids.push(await textOf(client, 'pid'));
    assert.equal(new Set(pids).size, 3);
    assert.equal(pids[2], pids[3]);
    bridge.context = { ...bridge.context, caller: 'bob' };
    assert.notEqual(await textOf(await bridge.connect('modern', 'modern'), 'pid'), pids[2]);
  },
);

test('what a client says that it can do decides which server of the legacy era it gets', options, async () => {
  await using bridge = await startBridge();
  const plain = await bridge.connect('modern', 'legacy');
  const able = await bridge.connect('modern', 'legacy', asking);
  assert.notEqual(await textOf(plain, 'pid'), await textOf(able, 'pid'));
});

test('servers end with their connection, with the session, and with the bridge', options, async () => {
  const bridge = await startBridge();
  const alive = () => bridge.local.processes.list().filter(({ exited }) => !exited).length;
  try {
    const first = await bridge.connect('legacy', 'legacy');
    await bridge.connect('legacy', 'modern');
    await textOf(await bridge.connect('modern', 'modern'), 'pid');
    assert.equal(bridge.bridge.size, 3);
    await (first.transport as unknown as { terminateSession(): Promise<void> }).terminateSession();
    await until(() => alive() === 2);
    await bridge.bridge.endSession('session-2');
    assert.equal(bridge.bridge.size, 2);
    await bridge.bridge.endSession('session-1', 'legacy');
    assert.equal(bridge.bridge.size, 2);
    await bridge.bridge.endSession('session-1');
    assert.equal(bridge.bridge.size, 0);
    await until(() => alive() === 0);
    await textOf(await bridge.connect('modern', 'modern'), 'pid');
    await bridge.bridge[Symbol.asyncDispose]();
    await until(() => alive() === 0);
  } finally {
    await bridge[Symbol.asyncDispose]();
  }
});

test(
  'a call whose connection is ended is answered; so is one that is asked about where that is not known',
  options,
  async () => {
    await using bridge = await startBridge();
    const client = await bridge.connect('legacy', 'legacy');
    const waiting = assert.rejects(textOf(client, 'wait'), /whether the request was carried out is not known/);
    await until(async () => (await textOf(client, 'waiting')) === '1');
    await bridge.bridge.endSession('session-1');
    await waiting;
    const lastEventId = `0123456789ab-3.${Buffer.from('"a call"').toString('base64url')}`;
    const headers = { accept: 'text/event-stream', 'mcp-session-id': 'of-another', 'last-event-id': lastEventId };
    const response = await fetch(bridge.url('legacy'), { headers });
    const [, data = ''] = /^data: (.*)$/m.exec(await response.text()) ?? [];
    const { id, error } = JSON.parse(data);
    assert.deepEqual([id, error.data.reason], ['a call', 'ConnectionEnded']);
  },
);

test('the processes of one server end, whichever replica started them; those of others go on', options, async () => {
  await using bridge = await startBridge();
  await using other = await startBridge({ clientOf: () => bridge.local.client });
  other.context = bridge.context;
  const [here, there] = [await bridge.connect('legacy', 'legacy'), await other.connect('legacy', 'legacy')];
  const stays = await bridge.connect('modern', 'modern');
  const before = await textOf(stays, 'pid');
  const place = { ...(await bridge.context.machine()), client: bridge.local.client, uid: bridge.local.machine.uid };
  assert.equal(await endServerProcesses(place, 'legacy'), 2);
  for (const client of [here, there]) await assert.rejects(client.listTools(), /MCP server legacy ended/);
  assert.equal(await textOf(stays, 'pid'), before);
  assert.equal(await endServerProcesses(place, 'legacy'), 0);
});

test('a machine that is gone is said so in the next answer, and its servers are forgotten', options, async () => {
  await using bridge = await startBridge();
  const legacy = await bridge.connect('legacy', 'legacy');
  const modern = await bridge.connect('modern', 'modern');
  await textOf(modern, 'pid');
  const machine = async () => {
    throw new TvmError('failed_precondition', 'its machine failed: OutOfMemory', { hint: 'Start it again.' });
  };
  bridge.context = { ...bridge.context, machine };
  for (const client of [legacy, modern])
    await assert.rejects(client.listTools(), /its machine failed: OutOfMemory.*Start it/);
});

test('a server in a machine that was replaced is started anew there', options, async () => {
  await using bridge = await startBridge();
  const modern = await bridge.connect('modern', 'modern');
  const legacy = await bridge.connect('legacy', 'legacy');
  assert.equal(await textOf(modern, 'count'), '1');
  await using next = makeLocalMachine('machine-2');
  cpSync(bridge.local.root, next.root, { recursive: true });
  bridge.nodes.set('node-b', next);
  bridge.context = { ...bridge.context, machine: async () => ({ node: 'node-b', machine: next.machine }) };
  assert.equal(await textOf(modern, 'count'), '1');
  await assert.rejects(legacy.listTools(), /Initialize again/);
  await bridge.bridge.endSession('session-1');
});
