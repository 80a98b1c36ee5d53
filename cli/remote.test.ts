// The command against a server elsewhere: where its token and namespace come from, and what it says when it is refused.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { runCommand } from './client/testing/answering-server.ts';
import { startStreamServer, testToken } from './client/testing/stream-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'tvm-remote-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const tokenFile = join(folder, 'token');
writeFileSync(tokenFile, 'from-a-file\n');

const vvm = (environment: Record<string, string>, argv: string[]) =>
  runCommand(argv, {
    ...{ TVM_TOKEN: undefined, TVM_NAMESPACE: undefined, TVM_HOME: folder, TVM_CACHE_DIR: folder },
    ...environment,
  });

type Answer = (request: IncomingMessage) => [status: number, body: unknown];

async function against(answer: Answer, environment: Record<string, string>, argv: string[]) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers.authorization}`);
    const [status, body] = answer(request);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const result = await vvm({ TVM_SERVER: url, ...environment }, argv);
  server.closeAllConnections();
  server.close();
  return { ...result, asked, url };
}

const nothing: Answer = () => [200, { items: [] }];
const refusal =
  (code: string, detail: string, hint: string): Answer =>
  () => [code === 'unauthenticated' ? 401 : 403, { type: 't', title: 't', status: 401, detail, code, hint }];

test('the token comes from a file, the namespace from the environment or the option', async () => {
  const file = { TVM_TOKEN_FILE: tokenFile };
  const cases: [Record<string, string>, string[], string][] = [
    [file, [], '/v1/microvms'],
    [{ ...file, TVM_NAMESPACE: 'team' }, [], '/v1/microvms?namespace=team'],
    [{ ...file, TVM_NAMESPACE: '' }, [], '/v1/microvms'],
    [{ ...file, TVM_NAMESPACE: 'team' }, ['-n', 'other'], '/v1/microvms?namespace=other'],
    [file, ['-A'], '/v1/microvms?allNamespaces=true'],
  ];
  for (const [environment, argv, path] of cases) {
    const { code, asked } = await against(nothing, environment, ['list', ...argv]);
    assert.deepEqual([code, asked], [0, [`${path} Bearer from-a-file`]]);
  }
  const both = await against(nothing, { ...file, TVM_TOKEN: 'direct' }, ['list']);
  assert.deepEqual(both.asked, ['/v1/microvms Bearer direct']);
  for (const path of [join(folder, 'none'), '/dev/null']) {
    const { code, stderr } = await against(nothing, { TVM_TOKEN_FILE: path }, ['list']);
    assert.equal(code, 1);
    assert.match(stderr, /TVM_TOKEN_FILE.*\n.*(\n.*)?kubectl create token/);
  }
});

test('execute and exec are in a namespace too', async () => {
  for (const argv of [
    ['execute', '1'],
    ['exec', 'demo', '--', 'true'],
  ]) {
    let path = '';
    await using server = await startStreamServer(async (peer) => {
      path = peer.path;
      peer.started();
      peer.exited(0);
    });
    const environment = { TVM_SERVER: server.endpoint.url, TVM_TOKEN: testToken, TVM_NAMESPACE: 'team' };
    assert.equal((await vvm(environment, argv)).code, 0);
    assert.match(path, /^\/v1\/(execute|microvms\/demo\/exec)\?namespace=team$/);
  }
});

test('a token that is not accepted: what to do, for requests and for streams', async () => {
  const answer = refusal('unauthenticated', 'the cluster does not accept the bearer token', 'Send a header');
  for (const argv of [['list'], ['execute', '1']]) {
    const { code, stderr } = await against(answer, { TVM_TOKEN: 'old' }, argv);
    assert.equal(code, argv[0] === 'list' ? 1 : 125);
    assert.match(stderr, /does not accept the bearer token\n.*TVM_TOKEN_FILE.*\n.*kubectl create token/);
  }
  const { code, stdout } = await against(answer, { TVM_TOKEN: 'old' }, ['doctor']);
  assert.equal(code, 1);
  assert.match(stdout, /^ok {7}server: .*\nMISSING {2}token: .*\n.*kubectl create token/);
});

test('a server that is not there', async () => {
  const environment = { TVM_SERVER: 'http://127.0.0.1:1', TVM_TOKEN: 'x' };
  for (const argv of [['list'], ['status'], ['doctor'], ['execute', '1']]) {
    const { code, stdout, stderr } = await vvm(environment, argv);
    assert.notEqual(code, 0);
    assert.match(
      stdout + stderr,
      /cannot reach the server at http:\/\/127.0.0.1:1: .*\n(.*\n)*.*port-forward service\/lime-ctrl/,
    );
  }
});

test('a user of one namespace: status shows what may be seen and says why not more', async () => {
  const message = 'User "ci" cannot get path "/v1/status"';
  const whole = refusal('permission_denied', message, 'A ClusterRole allows it.');
  const answer: Answer = (request) => (request.url === '/v1/status' ? whole(request) : nothing(request));
  const environment = { TVM_TOKEN: 'x', TVM_NAMESPACE: 'team' };
  const { code, stdout, url, asked } = await against(answer, environment, ['status']);
  assert.equal(code, 0);
  assert.equal(
    stdout,
    `server: ${url} (TVM_SERVER)\n\n${message}\n  A ClusterRole allows it.\n\nno MicroVM is declared\n`,
  );
  assert.ok(asked.includes('/v1/microvms?namespace=team Bearer x'));
  const doctor = await against(answer, environment, ['doctor']);
  assert.equal(doctor.code, 0);
  assert.match(doctor.stdout, /^ok .*server.*\nok .*token: accepted\nwarning {2}nodes: User "ci"/);
});

test('what is about the service of this machine is not done to another', async () => {
  const { code, stderr } = await vvm({ TVM_SERVER: 'http://127.0.0.1:1', TVM_TOKEN: 'x' }, ['kubectl', 'get', 'pods']);
  assert.equal(code, 2);
  assert.match(stderr, /TVM_SERVER is set: "vvm kubectl" is for the service of this machine/);
});
