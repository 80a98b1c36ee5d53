import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { after, before, test } from 'node:test';
import { FakeAgent } from '../vmm/fake/agent.ts';
import { bootMemory } from '../vmm/fake/host.ts';
import { echoServer } from '../vmm/fake/ports.ts';
import { connect } from './connect.ts';
import type { GuestConnection } from './connection.ts';
import { dialPort } from './ports.ts';
import { describePorts } from './testing/port-suite.ts';
import { connectScripted } from './testing/scripted-guest.ts';

let connection: GuestConnection;

before(async () => {
  const memory = bootMemory();
  memory.ports.set(7, echoServer);
  const [near, far] = duplexPair();
  new FakeAgent(memory).connect(far);
  connection = await connect(near, { timeoutMs: 2_000 });
});
after(() => connection.close());

describePorts('the fake agent', () => ({ connection, echoPort: 7, closedPort: 8 }));

test('a guest that answers out of order is not listened to', async () => {
  const { connection: hostile, guest } = await connectScripted();
  const dialling = dialPort(hostile, { port: 1 });
  const { stream } = await guest.next();
  guest.output(stream, { case: 'chunk', value: Buffer.from('early') });
  await assert.rejects(dialling, { code: 'data_loss' });
  for (const [body, then] of [
    [
      { case: 'end', value: true },
      { case: 'chunk', value: Buffer.from('after the end') },
    ],
    [{ case: 'stdout', value: Buffer.from('no process') }],
    [{ case: 'connected', value: {} }],
  ] as const) {
    const dialled = dialPort(hostile, { port: 1 });
    let request = await guest.next();
    while (request.body.case !== 'request') request = await guest.next();
    guest.output(request.stream, { case: 'connected', value: { address: 'x' } });
    guest.output(request.stream, body as never);
    if (then) guest.output(request.stream, then as never);
    const { answers } = await dialled;
    await assert.rejects(
      async () => {
        for await (const _ of answers);
      },
      { code: 'data_loss' },
    );
  }
  hostile.close();
});
