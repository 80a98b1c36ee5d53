// The real agent under garbage, interruptions and clients that break the protocol.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { after, test } from 'node:test';
import type { Call } from './connection.ts';
import { getUsage, ping, shutDown } from './machine.ts';
import { startAgent } from './testing/real-agent.ts';
import { frameBytes } from './testing/scripted-guest.ts';

const agent = await startAgent();
after(() => agent[Symbol.asyncDispose]());

async function isServed(): Promise<void> {
  const connection = await agent.connect();
  assert.match((await ping(connection)).agentVersion, /^\d+\.\d+/);
  connection.close();
}

test('ping and usage tell about the machine', async () => {
  const connection = await agent.connect();
  const pong = await ping(connection);
  assert.match(pong.bootId, /^[0-9a-f-]{36}$/);
  assert.ok(pong.uptimeMs > 0n);
  const usage = await getUsage(connection);
  assert.ok(usage.memoryTotalBytes > usage.memoryAvailableBytes && usage.processCount > 0);
  assert.ok(usage.diskTotalBytes > usage.diskFreeBytes && usage.cpuTimeMs > 0n);
  connection.close();
});

const preamble = Buffer.concat([Buffer.from('TVMSYNC1'), Buffer.alloc(16, 1)]);
const noise: [string, () => Buffer[]][] = [
  ['random bytes', () => [randomBytes(100_000)]],
  ['a preamble and random bytes', () => [preamble, randomBytes(100_000)]],
  ['an oversized frame', () => [preamble, Buffer.from('TVF1\xff\xff\xff\x7f', 'latin1')]],
  ['a frame cut short', () => [preamble, Buffer.from('TVF1\x00\x01\x00\x00abc', 'latin1')]],
  [
    'requests without a call',
    () => [preamble, ...[1, 2, 3].map((id) => frameBytes(id, { case: 'request', value: {} }))],
  ],
  [
    'stream numbers again',
    () => [
      preamble,
      ...[5, 5, 1].map((id) => frameBytes(id, { case: 'request', value: { call: { case: 'ping', value: {} } } })),
    ],
  ],
  [
    'input for nobody',
    () => [preamble, frameBytes(9, { case: 'input', value: { body: { case: 'end', value: true } } })],
  ],
  ['frames of an agent', () => [preamble, frameBytes(1, { case: 'end', value: {} })]],
];

for (const [name, bytes] of noise) {
  test(`${name}: the agent goes on`, async () => {
    const socket = agent.dial();
    socket.on('error', () => undefined);
    socket.resume();
    for (const piece of bytes()) socket.write(piece);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await isServed();
    socket.destroy();
  });
}

test('input beyond the credit ends its stream only', async () => {
  const socket = agent.dial();
  const request = (call: Call) => ({ case: 'request', value: { call } }) as const;
  socket.write(preamble);
  socket.write(frameBytes(1, request({ case: 'startProcess', value: { argv: ['sleep', '99'], stdin: true } })));
  const input = frameBytes(1, { case: 'input', value: { body: { case: 'stdin', value: Buffer.alloc(65_536) } } });
  for (let index = 0; index < 20; index++) socket.write(input);
  socket.write(frameBytes(2, request({ case: 'ping', value: {} })));
  let text = '';
  for await (const bytes of socket) {
    text += (bytes as Buffer).toString('latin1');
    if (/[0-9a-f]{8}-[0-9a-f]{4}-/.test(text)) break;
  }
  assert.match(text, /more input than the credit given/);
  await isServed();
});

test('clients that come and go at once, many times', async () => {
  for (let index = 0; index < 50; index++) {
    const socket = agent.dial();
    socket.on('error', () => undefined);
    socket.write(index % 2 ? preamble : preamble.subarray(0, 11));
    if (index % 3) socket.end();
    else socket.destroy();
  }
  await isServed();
});

test('a shutdown ends the agent', async () => {
  const connection = await agent.connect();
  await shutDown(connection);
  assert.equal((await connection.closed)?.code, 'unavailable');
  while (existsSync(`/proc/${agent.pid}/exe`)) await new Promise((resolve) => setTimeout(resolve, 10));
});
