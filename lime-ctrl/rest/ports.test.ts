// Ports of machines through the whole of lime-ctrl: requests, WebSockets, tunnels and URLs, and guests that are hostile.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { PortUrlView } from '@tvm/api/rest/ports.ts';
import type { Problem } from '@tvm/api/rest/stream.ts';
import { tunnelSubprotocol } from '@tvm/api/rest/tunnel.ts';
import { microVms } from '@tvm/kit/kube/client.ts';
import { tunnelStream } from '@tvm/kit/tunnel-stream.ts';
import { WebSocket, WebSocketServer } from 'ws';
import { eventually, type Harness, microVm, postJson, startHarness, testToken } from '../testing/harness.ts';

let harness: Harness;
const servers: Server[] = [];
const sockets = new Set<Socket>();
const content = randomBytes(2_000_000);
const seen: {
  url: string | undefined;
  method: string | undefined;
  headers: IncomingMessage['headers'];
  body: string;
}[] = [];

/** Serves `port` of every machine. */
async function serve(port: number, server: Server): Promise<void> {
  server.on('connection', (socket: Socket) => {
    sockets.add(socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy()));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  servers.push(server);
  harness.flintlock.ports.set(port, (server.address() as AddressInfo).port);
}

const site: RequestListener = async (request, response) => {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  const { url, method, headers } = request;
  seen.push({ url, method, headers, body: Buffer.concat(parts).toString() });
  if (url === '/large') response.end(content);
  else if (url === '/dir') response.writeHead(301, { location: '/dir/' }).end();
  else if (url === '/nothing') response.writeHead(204).end();
  else if (url === '/cookie') response.writeHead(418, { 'set-cookie': 'a=b', 'content-type': 'text/html' }).end('<b>');
  else if (url === '/cut') response.write('half', () => response.destroy());
  else if (url === '/half') response.writeHead(200, { 'content-length': 100 }).write('half', () => response.destroy());
  else response.end(`${method} ${url}`);
};

before(async () => {
  harness = await startHarness({ tokens: ['token-of-bob-alone,bob,,b'] });
  await harness.kube.create(microVms, microVm('demo'));
  await eventually(() => harness.fleet.machines().some(({ machine }) => machine.state === MachineState.RUNNING));
  const web = createServer(site);
  new WebSocketServer({ server: web, perMessageDeflate: false }).on('connection', (socket, request) => {
    seen.push({ url: request.url, method: 'WS', headers: request.headers, body: '' });
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  await serve(80, web);
  await serve(
    7,
    createTcpServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket)),
  );
});
after(async () => {
  await harness?.[Symbol.asyncDispose]();
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
});

const path = (port: number | string, rest = '') => `/v1/microvms/demo/ports/${port}${rest}`;
const problemOf = async (response: Response) => (await response.json()) as Problem;

async function newUrl(port = 80, ttlSeconds?: number): Promise<string> {
  const response = await harness.fetch('/v1/microvms/demo/port-urls', postJson({ port, ttlSeconds }));
  assert.equal(response.status, 201);
  return ((await response.json()) as PortUrlView).url;
}

test('methods, bodies, queries and statuses go through; credentials do not', async () => {
  const headers = { cookie: 'a=b', origin: 'https://x.example', 'x-mine': 'yes' };
  const response = await harness.fetch(path(80, '/a%20b?namespace=x&y=1'), { method: 'PATCH', headers, body: 'body' });
  assert.equal(await response.text(), 'PATCH /a%20b?namespace=x&y=1');
  assert.match(response.headers.get('content-security-policy') ?? '', /^sandbox/);
  assert.equal(response.headers.get('access-control-allow-origin'), null);
  const got = seen.at(-1);
  assert.equal(got?.body, 'body');
  assert.equal(got?.headers['x-mine'], 'yes');
  assert.equal(got?.headers.host, 'localhost:80');
  for (const name of ['authorization', 'cookie', 'origin']) assert.equal(got?.headers[name], undefined, name);
  assert.equal(await (await harness.fetch(path(80))).text(), 'GET /');
  const chunked = ReadableStream.from([Buffer.from('GET /smuggled HTTP/1.1\r\n\r\n')]);
  const removed = { method: 'DELETE', body: chunked, duplex: 'half' } as RequestInit;
  assert.equal(await (await harness.fetch(path(80), removed)).text(), 'DELETE /');
  assert.match(seen.at(-1)?.body ?? '', /^GET \/smuggled/);
  assert.equal((await harness.fetch(path(80, '/nothing'))).status, 204);
  assert.equal((await harness.fetch(path(80, '/x'), { method: 'HEAD' })).status, 200);
  const teapot = await harness.fetch(path(80, '/cookie'));
  assert.deepEqual([teapot.status, teapot.headers.get('set-cookie'), await teapot.text()], [418, null, '<b>']);
  const moved = await harness.fetch(path(80, '/dir'), { redirect: 'manual' });
  assert.equal(moved.headers.get('location'), path(80, '/dir/'));
});

test('50 large downloads at once are exact; half an answer is an error', async () => {
  const url = await newUrl();
  const downloads = Array.from({ length: 50 }, async (_, at) => {
    const response = await (at % 2 ? fetch(`${url}large`) : harness.fetch(path(80, '/large')));
    let offset = 0;
    for await (const chunk of response.body ?? []) {
      assert.ok(content.subarray(offset, offset + chunk.length).equals(chunk));
      offset += chunk.length;
      if (at > 5 && offset > 500_000) return content.length;
    }
    return offset;
  });
  assert.ok((await Promise.all(downloads)).every((length) => length === content.length));
  for (const half of ['/half', '/cut']) {
    await assert.rejects(harness.fetch(path(80, half)).then((response) => response.text()));
  }
});

test('who may not, and what is not there', async () => {
  const as = (token: string, at = path(80), headers = {}) =>
    fetch(`${harness.url}${at}`, { headers: { authorization: `Bearer ${token}`, ...headers } });
  assert.equal((await fetch(`${harness.url}${path(80)}`)).status, 401);
  assert.equal((await as('guessed')).status, 401);
  assert.equal((await as('token-of-bob-alone')).status, 403);
  assert.equal((await as('token-of-bob-alone', path(80), { 'tvm-namespace': 'b' })).status, 404);
  assert.equal((await as(testToken, path(80), { 'tvm-namespace': '../x' })).status, 400);
  const closed = await harness.fetch(path(81));
  const { code, reason, detail, hint } = await problemOf(closed);
  assert.deepEqual([closed.status, code, reason], [412, 'failed_precondition', 'NothingListens']);
  assert.match(`${detail} ${hint}`, /nothing listens on port 81.*127\.0\.0\.1 or 0\.0\.0\.0/s);
  for (const port of ['0', '65536', 'x', '-1', '080'])
    assert.equal((await harness.fetch(path(port))).status, 400, port);
  assert.equal((await harness.fetch('/v1/microvms/none/ports/80/')).status, 404);
});

test('hostile servers: endless headers, no HTTP, an upgrade nobody asked for, strange statuses', async () => {
  const hostile = async (port: number, act: (socket: Socket) => void) => {
    await serve(port, createTcpServer(act));
    const response = await harness.fetch(path(port));
    const { reason, detail } = await problemOf(response);
    assert.deepEqual([response.status, reason], [503, 'BadGuestAnswer'], detail);
    await eventually(() => sockets.size < 5);
  };
  await hostile(90, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\n');
    const more = () => {
      while (!socket.destroyed && socket.write(`x: ${'y'.repeat(1000)}\r\n`));
    };
    socket.on('drain', more);
    more();
  });
  await hostile(91, (socket) => socket.end('220 mail.example ESMTP\r\n'));
  await hostile(92, (socket) =>
    socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
  );
  await hostile(93, (socket) => socket.end('HTTP/1.1 777 Lucky\r\ncontent-length: 0\r\n\r\n'));
  await hostile(94, (socket) => {
    const timer = setInterval(() => socket.write('HTTP/1.1 102 Processing\r\n\r\n'), 1);
    socket.on('close', () => clearInterval(timer));
  });
  await hostile(95, (socket) => socket.destroy());
  await hostile(96, (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx'));
});

test('a slow reader holds back the server in the machine, one that leaves ends it', async () => {
  let written = 0;
  let closed = false;
  await serve(
    97,
    createServer((_request, response) => {
      response.on('close', () => {
        closed = true;
      });
      const more = () => {
        while (!response.destroyed && response.write(content)) written += 1;
        written += 1;
      };
      response.on('drain', more);
      more();
    }),
  );
  const leave = new AbortController();
  const response = await harness.fetch(path(97), { signal: leave.signal });
  await response.body?.getReader().read();
  for (let before = -1; before !== written; await sleep(150)) {
    before = written;
    assert.ok(written < 20);
  }
  leave.abort();
  await eventually(() => closed);
});

function open(url: string, headers: Record<string, string> = {}, protocol: string[] = []) {
  const socket = new WebSocket(url.replace('http', 'ws'), protocol, { headers, perMessageDeflate: false });
  const opened = new Promise<number>((resolve) => {
    socket.on('open', () => resolve(101));
    socket.on('unexpected-response', (_, response) => resolve(response.statusCode ?? 0));
    socket.on('error', () => resolve(0));
  });
  return { socket, opened };
}
const bearer = { authorization: `Bearer ${testToken}` };

test('WebSockets go through, by name and by URL; refusals are answers', async () => {
  for (const [url, headers] of [
    [`${harness.url}${path(80, '/socket?x=1')}`, bearer],
    [`${await newUrl()}socket?x=1`, { origin: 'null', authorization: 'Basic eA==' }],
  ] as const) {
    const { socket, opened } = open(url, headers);
    assert.equal(await opened, 101);
    assert.deepEqual([seen.at(-1)?.url, seen.at(-1)?.headers.authorization], ['/socket?x=1', undefined]);
    const large = content.subarray(0, 1_000_000);
    socket.send(large);
    const [echoed] = await once(socket, 'message');
    assert.ok(large.equals(echoed));
    socket.close(1000);
    await once(socket, 'close');
  }
  const refused = async (at: string, headers = {}) => {
    const { socket, opened } = open(`${harness.url}${at}`, headers);
    const status = await opened;
    socket.terminate();
    return status;
  };
  assert.equal(await refused(path(80, '/')), 401);
  assert.equal(await refused(path(80, '/'), { authorization: 'Bearer token-of-bob-alone' }), 403);
  assert.equal(await refused(path(80, '/'), { ...bearer, origin: 'https://evil.example' }), 403);
  assert.equal(await refused(path(81, '/'), bearer), 412);
  assert.equal(await refused('/ports/guessed.tag/'), 404);
  await serve(
    98,
    createServer((_request, response) => response.writeHead(403).end('no')),
  );
  assert.equal(await refused(path(98, '/'), bearer), 403);
});

test('a URL needs no token, is for one port alone, and opens to pages of its own', async () => {
  const url = await newUrl();
  const page = await fetch(`${url}x?y`, { headers: { cookie: 'a=b', referer: url } });
  assert.equal(await page.text(), 'GET /x?y');
  assert.equal(page.headers.get('access-control-allow-origin'), '*');
  assert.equal(page.headers.get('referrer-policy'), 'no-referrer');
  assert.deepEqual([seen.at(-1)?.headers.cookie, seen.at(-1)?.headers.referer], [undefined, undefined]);
  const preflight = { method: 'OPTIONS', headers: { origin: 'null', 'access-control-request-method': 'PUT' } };
  assert.equal((await fetch(url, preflight)).status, 204);
  const moved = await fetch(`${url}dir`, { redirect: 'manual' });
  assert.equal(moved.headers.get('location'), `${new URL(url).pathname}dir/`);
  assert.equal(await (await fetch(url.slice(0, -1))).text(), 'GET /');
});

test('a URL that was changed, is over, or for a machine that started anew is none', async () => {
  const url = await newUrl();
  const status = async (at: string) => (await fetch(at)).status;
  const sealed = url.split('/ports/')[1]?.slice(0, -1) ?? '';
  const [body = '', tag = ''] = sealed.split('.');
  const forged = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(body, 'base64url').toString()), port: 7 }));
  const at = (text: string) => url.replace(sealed, text);
  for (const bad of [`${forged.toString('base64url')}.${tag}`, `${body}.`, body, `${body}.${tag}x`, 'x']) {
    assert.equal(await status(at(bad)), 404, bad);
  }
  // One for a file is none for a port.
  const file = await harness.gateway.seal.close('transfer', '', JSON.parse(Buffer.from(body, 'base64url').toString()));
  assert.equal(await status(at(file)), 404);
  const past = { ...JSON.parse(Buffer.from(body, 'base64url').toString()), untilMs: Date.now() - 1 };
  assert.equal(await status(at(await harness.gateway.seal.close('port', '', past))), 404);
  const far = { ...past, untilMs: Date.now() + 99_000_000 };
  assert.equal(await status(at(await harness.gateway.seal.close('port', '', far))), 404);
  const brief = { ...past, untilMs: Date.now() + 3_000 };
  const { socket, opened } = open(at(await harness.gateway.seal.close('port', '', brief)));
  assert.equal(await opened, 101);
  await once(socket, 'close');
  assert.equal(await status(url), 200);
  const [{ machine }] = harness.fleet.machines() as [ReturnType<Harness['fleet']['machines']>[number]];
  const { startedAtMs } = machine;
  harness.flintlock.change(machine.uid, { startedAtMs: startedAtMs + 1n });
  await eventually(() => harness.fleet.machine(machine.uid)?.machine.startedAtMs !== startedAtMs);
  assert.equal(await status(url), 404);
});

test('a life that is too long is refused; without URLs none is made', async () => {
  const ask = (on: Harness, body: unknown) => on.fetch('/v1/microvms/demo/port-urls', postJson(body));
  for (const body of [{ port: 80, ttlSeconds: 3_601 }, { port: 0 }, { port: 80, ttlSeconds: 0 }, {}]) {
    assert.equal((await ask(harness, body)).status, 400);
  }
  await using off = await startHarness({ portUrlSeconds: 0 });
  await off.kube.create(microVms, microVm('demo'));
  await eventually(() => off.fleet.machines().some(({ machine }) => machine.state === MachineState.RUNNING));
  assert.equal((await problemOf(await ask(off, { port: 80 }))).reason, 'PortUrlsOff');
});

test('a tunnel carries bytes, each direction to its own end; refusals come before it opens', async () => {
  const tunnel = `${harness.url}/v1/microvms/demo/tunnels/7`;
  const { socket, opened } = open(tunnel, bearer, [tunnelSubprotocol]);
  const stream = tunnelStream(socket);
  assert.equal(await opened, 101);
  stream.end(content);
  const echoed = Buffer.concat(await Array.fromAsync(stream));
  assert.ok(echoed.equals(content));
  const refused = async (at: string, headers: Record<string, string>, protocol = [tunnelSubprotocol]) => {
    const each = open(at, headers, protocol);
    const status = await each.opened;
    each.socket.terminate();
    return status;
  };
  assert.equal(await refused(tunnel, {}), 401);
  assert.equal(await refused(tunnel, { authorization: 'Bearer token-of-bob-alone' }), 403);
  assert.equal(await refused(tunnel, { ...bearer, origin: 'https://evil.example' }), 403);
  assert.equal(await refused(tunnel, bearer, ['other']), 400);
  assert.equal(await refused(tunnel.replace(/7$/, '8'), bearer), 412);
  assert.equal(await refused(tunnel.replace(/7$/, '99999'), bearer), 400);
});

test('bytes that come with the request for an upgrade are not lost', async () => {
  const { port, hostname } = new URL(harness.url);
  const socket = connect(Number(port), hostname);
  socket.write(
    `GET ${path(80, '/')} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${testToken}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
  );
  // A masked text frame "hi", with a mask of zeroes.
  socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
  let text = '';
  socket.on('data', (data) => (text += data.toString('latin1')));
  await eventually(() => text.endsWith('\x81\x02hi'));
  assert.match(text, /^HTTP\/1\.1 101 /);
  socket.destroy();
});
