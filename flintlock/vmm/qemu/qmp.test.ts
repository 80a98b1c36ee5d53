import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openQmp } from './qmp.ts';

const greeting = '{"QMP": {}}\n';

/** A QEMU that answers each line with what `answer` gives. */
async function fakeQemu(hello: string, answer: (command: string, socket: Socket) => string) {
  const folder = mkdtempSync(join(tmpdir(), 'tvm-qmp-'));
  const path = join(folder, 'qmp.sock');
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.write(hello);
    socket.on('data', (data) => {
      for (const line of data.toString().trim().split('\n')) socket.write(answer(JSON.parse(line).execute, socket));
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    [Symbol.dispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const ok = '{"return": {}}\n';

test('answers are matched with commands, events between them skipped, errors typed', async () => {
  using qemu = await fakeQemu(greeting, (command) => {
    if (command === 'qmp_capabilities') return ok;
    if (command === 'bad') return '{"error": {"class": "GenericError", "desc": "no such thing"}}\n';
    return `{"event": "STOP"}\n{"return": "${command}"}\n`;
  });
  using qmp = await openQmp(qemu.path);
  assert.deepEqual(await Promise.all([qmp.execute('one'), qmp.execute('two')]), ['one', 'two']);
  await assert.rejects(qmp.execute('bad'), { code: 'internal', message: 'QMP: no such thing' });
});

for (const [name, hello, answer] of [
  ['garbage', 'SSH-2.0\n', ok],
  ['a line without end', greeting, 'x'.repeat(2 * 1024 * 1024)],
] as const) {
  test(`${name} ends the conversation with a typed error`, async () => {
    using qemu = await fakeQemu(hello, () => answer);
    await assert.rejects(openQmp(qemu.path), { code: 'unavailable' });
  });
}

test('a VMM that closes, or is not there, is unavailable', async () => {
  using qemu = await fakeQemu(greeting, (command, socket) => {
    if (command === 'die') socket.destroy();
    return socket.destroyed ? '' : ok;
  });
  using qmp = await openQmp(qemu.path);
  await assert.rejects(qmp.execute('die'), { code: 'unavailable' });
  await assert.rejects(qmp.execute('more'), { code: 'unavailable' });
  await assert.rejects(openQmp('/nowhere/qmp.sock'), { code: 'unavailable' });
});
