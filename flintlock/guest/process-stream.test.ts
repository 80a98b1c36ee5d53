import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attachProcess, startProcess } from './processes.ts';
import { connectScripted } from './testing/scripted-guest.ts';

const started = { case: 'started', value: { id: 'x' } } as const;
const stdout = { case: 'stdout', value: Buffer.from('x') } as const;
const exited = { case: 'exited', value: { code: 0 } } as const;
const other = { case: 'pong', value: {} } as const;

const wrongOrders = {
  'output before the start': [stdout],
  'a second start': [started, started],
  'output after the end': [started, exited, stdout],
  'two ends': [started, exited, exited],
  'no end': [started, stdout],
  'nothing at all': [],
  'an answer to another question': [started, other, exited],
};

for (const [name, outputs] of Object.entries(wrongOrders)) {
  test(`${name} is a violation`, async () => {
    const { connection, guest } = await connectScripted();
    const call = startProcess(connection, { argv: ['x'] });
    const { stream } = await guest.next();
    for (const output of outputs) guest.output(stream, output);
    guest.end(stream);
    await assert.rejects(Array.fromAsync(call), { code: 'data_loss' });
    connection.close();
  });
}

test('the right order passes, for a start and an attachment', async () => {
  const { connection, guest } = await connectScripted();
  for (const call of [startProcess(connection, { argv: ['x'] }), attachProcess(connection, { id: 'x' })]) {
    const { stream } = await guest.next();
    for (const output of [started, stdout, exited]) guest.output(stream, output);
    guest.end(stream);
    assert.deepEqual(
      (await Array.fromAsync(call)).map((answer) => answer.case),
      ['started', 'stdout', 'exited'],
    );
  }
  connection.close();
});
