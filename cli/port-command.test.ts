// vvm port as a process, against a server that gives the answers of the contract.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { tunnelSubprotocol } from '@tvm/api/rest/tunnel.ts';
import { tunnelStream } from '@tvm/kit/tunnel-stream.ts';
import { WebSocketServer } from 'ws';
import { problem, runAgainst } from './client/testing/answering-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'tvm-port-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const machine = {
  ...{ namespace: 'default', uid: 'u', createdAt: '2030-01-01T00:00:00Z', name: 'demo', deleting: false, labels: {} },
  spec: { image: 'tvm/python', cpu: 1, memory: 256, desiredState: 'Running' },
  status: { phase: 'Running' },
};
const made = { url: 'http://x/ports/sealed/', expiresAt: '2030-01-01T00:00:00Z' };

test('--url prints the URL, as JSON with its end', async () => {
  const call = 'POST /v1/microvms/demo/port-urls?namespace=team';
  const answers = { [call]: [[201, made]] } as Parameters<typeof runAgainst>[2];
  const printed = await runAgainst(folder, ['port', 'demo', '8000', '--url', '--ttl', '5m', '-n', 'team'], answers);
  assert.deepEqual([printed.code, printed.stdout], [0, `${made.url}\n`]);
  assert.deepEqual(printed.asked[0]?.body, { port: 8000, ttlSeconds: 300 });
  const json = await runAgainst(folder, ['port', 'demo', '8000', '--url', '--json', '-n', 'team'], answers);
  assert.deepEqual(JSON.parse(json.stdout), made);
});

test('wrong usage is told before anything is asked; a machine that is not there, at once', async () => {
  for (const [argv, words] of [
    [['port', 'demo', '0'], /from 1 to 65535/],
    [['port', 'demo', 'http'], /not a port/],
    [['port', 'demo', '80', '--ttl', '5m'], /--url too/],
    [['port', 'demo', '80', '--url', '--ttl', '2h'], /10s to 1h/],
    [['port', 'demo', '80', '--url', '--listen', '1'], /Leave out --listen/],
    [['port', 'demo', '80', '--listen', 'x:y'], /not a port/],
  ] as const) {
    const { code, stderr } = await runAgainst(folder, [...argv], {});
    assert.deepEqual([code, words.test(stderr)], [2, true], stderr);
  }
  const absent = { 'GET /v1/microvms/demo': [[404, problem('not_found', 'there is no MicroVM demo')]] };
  const { code, stderr } = await runAgainst(folder, ['port', 'demo', '80'], absent as never);
  assert.deepEqual([code, /no MicroVM demo/.test(stderr)], [1, true]);
});

interface Forwarding {
  child: ChildProcess;
  address: { host: string; port: number };
  stderr: () => string;
}

async function forwarding(url: string): Promise<Forwarding> {
  const env = { ...process.env, TVM_SERVER: url, TVM_TOKEN: 'token', TVM_HOME: folder, TVM_CACHE_DIR: folder };
  const argv = [join(import.meta.dirname, 'main.ts'), 'port', 'demo', '80', '--listen', '0', '--json'];
  const child = spawn(process.execPath, argv, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (data) => (stderr += data));
  const [line] = await once(child.stdout, 'data');
  const { listen } = JSON.parse(String(line));
  const { hostname: host, port } = new URL(`tcp://${listen}`);
  return { child, address: { host, port: Number(port) }, stderr: () => stderr };
}

test('a forwarded port carries bytes, each direction to its end; refusals are told once; Ctrl-C ends it', async () => {
  let refuse = false;
  const server = createServer((_request, response) => response.end(JSON.stringify(machine)));
  const tunnels = new WebSocketServer({ noServer: true, handleProtocols: () => tunnelSubprotocol });
  server.on('upgrade', (request: IncomingMessage, socket, head) => {
    assert.equal(request.url, '/v1/microvms/demo/tunnels/80');
    const body = JSON.stringify({
      ...problem('failed_precondition', 'nothing listens on port 80', 'NothingListens'),
      hint: 'Start it.',
    });
    if (refuse) socket.end(`HTTP/1.1 412 x\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`);
    else
      tunnels.handleUpgrade(request, socket, head, (opened) => {
        const stream = tunnelStream(opened);
        stream.pipe(stream);
      });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { child, address, stderr } = await forwarding(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  try {
    const sent = 'x'.repeat(1_000_000);
    const answers = [0, 1, 2].map(async () => {
      const socket = connect({ ...address, allowHalfOpen: true });
      socket.end(sent);
      return text(socket);
    });
    assert.ok((await Promise.all(answers)).every((answer) => answer === sent));
    refuse = true;
    for (let count = 0; count < 2; count += 1) {
      await assert.rejects(text(connect(address)), { code: 'ECONNRESET' });
    }
    assert.equal(stderr().split('nothing listens on port 80').length, 2, stderr());
    assert.match(stderr(), /Start it\./);
    child.kill('SIGINT');
    const [code] = await once(child, 'exit');
    assert.equal(code, 0);
  } finally {
    child.kill('SIGKILL');
    for (const each of tunnels.clients) each.terminate();
    server.closeAllConnections();
    server.close();
  }
});
