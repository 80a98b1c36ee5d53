import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { DevicePlugin } from '@tvm/api/gen/kubelet/deviceplugin/v1beta1/deviceplugin_pb.js';
import { makeLogger } from '@tvm/kit/log.ts';
import type { Health } from '../device/probe.ts';
import { permitIds } from '../permits.ts';
import { makePluginCalls } from '../plugin-calls.ts';
import { until } from '../testing/until.ts';
import { openEndpoint } from './endpoint.ts';

const kvm = { containerPath: '/dev/kvm', hostPath: '/dev/kvm', permissions: 'rw' };

/** A plugin whose device is as `state` says. */
async function opened(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'tvm-endpoint-'));
  const state: { health: Health; results: string[] } = { health: { healthy: true }, results: [] };
  const calls = makePluginCalls({
    permits: permitIds(2),
    device: {
      check: async () => state.health,
      async *changes(signal) {
        yield state.health;
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
      },
    },
    devicesForContainer: () => [kvm],
    onAllocated: (result) => state.results.push(result),
  });
  const log = makeLogger('test', 'silent');
  const endpoint = await openEndpoint(folder, 'plugin.sock', { calls, log, onWatch: () => undefined });
  const nodeOptions = { createConnection: () => connect(endpoint.path) };
  const client = createClient(DevicePlugin, createGrpcTransport({ baseUrl: 'http://localhost', nodeOptions }));
  t.after(async () => {
    await endpoint[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });
  return { endpoint, client, state };
}

test('neither preferences nor calls before a start are offered', async (t) => {
  const { client } = await opened(t);
  const options = await client.getDevicePluginOptions({});
  assert.equal(options.preStartRequired, false);
  assert.equal(options.getPreferredAllocationAvailable, false);
});

test('nobody but its owner may use the socket', async (t) => {
  const { endpoint } = await opened(t);
  assert.equal(statSync(endpoint.path).mode & 0o777, 0o600);
});

test('permits are given with what belongs to them; unknown ones are refused, and a device that is gone', async (t) => {
  const { client, state } = await opened(t);
  const request = { containerRequests: [{ deviceIds: ['kvm-0'] }, { deviceIds: ['kvm-1', 'kvm-0'] }] };
  const { containerResponses } = await client.allocate(request);
  assert.equal(containerResponses.length, 2);
  assert.deepEqual(
    containerResponses.map(({ devices }) => devices.map(({ hostPath }) => hostPath)),
    [['/dev/kvm'], ['/dev/kvm']],
  );
  await assert.rejects(client.allocate({ containerRequests: [{ deviceIds: ['kvm-2'] }] }), /no such permit.*kvm-2/);
  await assert.rejects(client.allocate({ containerRequests: [{ deviceIds: [] }] }), /asks for no permit/);
  state.health = { healthy: false, reason: 'there is no /dev/kvm' };
  await assert.rejects(client.allocate(request), /there is no \/dev\/kvm/);
  assert.deepEqual(state.results, ['ok', 'refused', 'refused', 'refused']);
});

test('garbage, unknown methods and messages beyond all measure harm nobody', async (t) => {
  const { endpoint, client } = await opened(t);
  for (const text of ['GET / HTTP/1.1\r\n\r\n', '\0'.repeat(100_000), 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff']) {
    const socket = connect(endpoint.path);
    socket.on('error', () => undefined); // it is cut off in the middle, which is what is wanted
    socket.end(text);
    await new Promise((resolve) => socket.resume().once('close', resolve));
  }
  const huge = { containerRequests: [{ deviceIds: ['x'.repeat(2 * 1024 * 1024)] }] };
  await assert.rejects(client.allocate(huge), /larger than/);
  assert.equal(await statusOf(endpoint.path, '/v1beta1.DevicePlugin/PreStartContainer'), 404);
  assert.equal(await statusOf(endpoint.path, '/../../etc/passwd'), 404);
  await client.getDevicePluginOptions({});
});

test('its watch is told, and its end ends the watch and removes the socket', async (t) => {
  const { endpoint, client } = await opened(t);
  assert.equal(endpoint.watch(), 'none yet');
  const stop = new AbortController();
  for await (const { devices } of client.listAndWatch({}, { signal: stop.signal })) {
    assert.deepEqual(
      devices.map(({ id, health }) => `${id} ${health}`),
      ['kvm-0 Healthy', 'kvm-1 Healthy'],
    );
    break;
  }
  stop.abort();
  await until('the end of the watch', () => endpoint.watch() === 'ended');
  const watching = (async () => {
    for await (const _ of client.listAndWatch({}));
  })();
  const ended = watching.then(
    () => 'ended',
    () => 'broken',
  );
  await until('another watch', () => endpoint.watch() === 'open');
  await endpoint[Symbol.asyncDispose]();
  assert.match(await ended, /ended|broken/);
  assert.ok(!existsSync(endpoint.path));
});

function statusOf(path: string, method: string): Promise<number> {
  const session = connectHttp2('http://localhost', { createConnection: () => connect(path) });
  return new Promise((resolve, reject) => {
    session.on('error', reject);
    const request = session.request({ ':path': method, ':method': 'POST', 'content-type': 'application/grpc' });
    request.on('response', (headers) => {
      resolve(Number(headers[':status']));
      session.destroy();
    });
    request.end();
  });
}

test('a socket that a kubelet removes as soon as it is there leaves nothing that listens', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tvm-endpoint-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const listening = () => process.getActiveResourcesInfo().filter((resource) => resource === 'PipeWrap').length;
  const before = listening();
  const calls = makePluginCalls({
    permits: permitIds(1),
    device: { check: async () => ({ healthy: true }), changes: async function* () {} },
    devicesForContainer: () => [],
    onAllocated: () => undefined,
  });
  const log = makeLogger('test', 'silent');
  const opening = openEndpoint(folder, 'plugin.sock', { calls, log, onWatch: () => undefined });
  rmSync(join(folder, 'plugin.sock'));
  await assert.rejects(opening, { code: 'ENOENT' });
  // Connections of other tests may end meanwhile.
  assert.ok(listening() <= before);
});
