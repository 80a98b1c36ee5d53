// The RPC server as other hosts reach it: who is answered, and with which certificates.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { type ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { Flintlock } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { KeyPair } from '@tvm/kit/certificates/inspect.ts';
import { issueCertificate, makeAuthority } from '@tvm/kit/certificates/issue.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { openFlintlock } from '../flintlock.ts';
import { makeFakeDriver } from '../vmm/fake/driver.ts';
import { FakeHost } from '../vmm/fake/host.ts';
import { makeFakeImages } from '../vmm/fake/images.ts';

const dayMs = 86_400_000;
const serverName = 'flintlock.tvm-nodes.svc';

const authority = await makeAuthority('test', Date.now(), dayMs);
const issue = (commonName: string, use: 'server' | 'client', by = authority): Promise<KeyPair> =>
  issueCertificate({
    ...{ authority: by, commonName, use, hosts: use === 'server' ? [serverName] : [] },
    ...{ nowMs: Date.now(), lifeMs: dayMs },
  });

function writeFiles(folder: string, { certificate, key }: KeyPair, authorities: string): void {
  writeFileSync(join(folder, 'tls.crt'), certificate);
  writeFileSync(join(folder, 'tls.key'), key);
  writeFileSync(join(folder, 'ca.crt'), authorities);
}

async function openNode(t: TestContext) {
  const home = mkdtempSync(join(tmpdir(), 'tvm-tls-'));
  writeFiles(home, await issue('flintlock', 'server'), authority.certificate);
  const flintlock = await openFlintlock({
    config: {
      listen: '127.0.0.1:0',
      tlsFolder: home,
      stateFolder: join(home, 'state'),
      nodeName: 'test-node',
      templates: false,
      bootTimeoutMs: 1000,
      limits: { cpus: 1, memoryMiB: 128, machines: 1 },
    },
    driver: makeFakeDriver(new FakeHost()),
    images: makeFakeImages(),
    log: makeLogger('flintlock', 'silent'),
  });
  t.after(async () => {
    await flintlock[Symbol.asyncDispose]();
    rmSync(home, { recursive: true });
  });
  return { home, flintlock, port: Number(flintlock.address.split(':')[1]) };
}

/** Calls once over a connection of its own and gives the server's certificate. */
async function call(port: number, client: KeyPair | undefined, ca = authority.certificate): Promise<string> {
  let socket: TLSSocket | undefined;
  const createConnection = () => {
    const own = client && { cert: client.certificate, key: client.key };
    socket = connect({ host: '127.0.0.1', port, servername: serverName, ca, ALPNProtocols: ['h2'], ...own });
    return socket;
  };
  const sessionManager = new Http2SessionManager('https://127.0.0.1', {}, { createConnection });
  try {
    const transport = createGrpcTransport({ baseUrl: 'https://127.0.0.1', sessionManager });
    await createClient(Flintlock, transport).getNode({}, { timeoutMs: 5000 });
    return socket?.getPeerX509Certificate()?.toString() ?? '';
  } finally {
    socket?.destroy();
  }
}

const refused = (calling: Promise<string>) =>
  assert.rejects(calling, (error: ConnectError) => error.code !== undefined);

test('the control plane is answered, and nobody else', async (t) => {
  const { port } = await openNode(t);
  const stranger = await makeAuthority('test', Date.now(), dayMs);
  assert.match(await call(port, await issue('lime-ctrl', 'client')), /BEGIN CERTIFICATE/);
  await refused(call(port, undefined));
  await refused(call(port, await issue('flintlock', 'client')));
  await refused(call(port, await issue('lime-ctrl', 'client', stranger)));
  await refused(call(port, await issue('lime-ctrl', 'server')));
  await assert.rejects(call(port, await issue('lime-ctrl', 'client'), stranger.certificate));
  await assert.rejects(fetch(`http://127.0.0.1:${port}/`));
});

test('renewed files are used without a restart; broken ones are not', async (t) => {
  const { port, home } = await openNode(t);
  const client = await issue('lime-ctrl', 'client');
  const before = await call(port, client);
  writeFileSync(join(home, 'tls.crt'), 'zork');
  const next = await makeAuthority('test', Date.now(), dayMs);
  assert.equal(await call(port, client), before);
  writeFiles(home, await issue('flintlock', 'server', next), authority.certificate + next.certificate);
  const both = authority.certificate + next.certificate;
  for (let waited = 0; waited < 300 && (await call(port, client, both)) === before; waited += 1) await sleep(50);
  assert.notEqual(await call(port, client, both), before);
  // During a rotation clients of either authority are served.
  await call(port, await issue('lime-ctrl', 'client', next), both);
});
