// Many sessions at once: a hundred whose machines are fakes, ten on real machines; and one whose machine dies.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { readOrEmpty } from '../e2e/host-facts.ts';
import { makeService, type Service } from '../e2e/service.ts';
import { until } from '../e2e/until.ts';
import type { Target } from './conformance.ts';
import { callText, connect, eras } from './connect.ts';
import { makeMachineSession } from './machine-session.ts';

const readyMs = 600_000;

interface Created {
  uid: string;
  name: string;
  status: { state?: string };
}

async function started(env: Record<string, string>): Promise<Service> {
  const service = await makeService();
  try {
    await service.ok(['up'], { env });
    return service;
  } catch (error) {
    await service[Symbol.asyncDispose]();
    throw error;
  }
}

async function json<T>(service: Service, path: string, init: RequestInit = {}): Promise<T> {
  const response = await service.rest(path, init);
  assert.ok(response.ok, `${path}: ${response.status} ${await response.clone().text()}`);
  return (await response.json()) as T;
}

/** Sessions that are ready, made all at once. */
async function makeSessions(service: Service, count: number, spec: object): Promise<Target[]> {
  const names = Array.from({ length: count }, (_, at) => `many-${at}`);
  const body = (name: string) => JSON.stringify({ name, spec });
  for (const name of names) await json<Created>(service, '/v1/sessions', { method: 'POST', body: body(name) });
  // A machine that did not start is started anew: that it failed once is not the end.
  await until(
    `${count} sessions are ready`,
    async () => {
      const { items } = await json<{ items: Created[] }>(service, '/v1/sessions');
      return items.filter(({ status }) => status.state === 'Ready').length === count;
    },
    readyMs,
  );
  return Promise.all(names.map((name) => json<Target>(service, `/v1/sessions/${name}/token`)));
}

async function useAll(targets: Target[], use: (target: Target, at: number) => Promise<void>): Promise<void> {
  const results = await Promise.allSettled(targets.map(use));
  const failures = results.filter((result) => result.status === 'rejected').map(({ reason }) => String(reason));
  assert.deepEqual(failures, []);
}

test('a hundred sessions at once, on fake machines', async () => {
  await using service = await started({ TVM_DRIVER: 'fake', TVM_MEMORY_MIB: '200000' });
  const targets = await makeSessions(service, 100, { image: 'tvm/python', memory: 128 });
  const seen = new Set<string>();
  await useAll(targets, async (target, at) => {
    const client = await connect(target, eras[at % 2] ?? 'modern');
    const { tools } = await client.listTools();
    assert.ok(tools.some(({ name }) => name === 'run_command'));
    const status = await callText(client, 'vm_status');
    seen.add(/many-\d+-[0-9a-f]+/.exec(status)?.[0] ?? status);
    await client.close();
  });
  assert.equal(seen.size, 100, 'two sessions saw the same machine');
});

test('ten sessions at once, on real machines', async () => {
  await using service = await started({});
  const targets = await makeSessions(service, 10, { image: 'tvm/python', memory: 128 });
  await useAll(targets, async (target, at) => {
    const client = await connect(target, eras[at % 2] ?? 'modern');
    await callText(client, 'write_file', { path: '/tmp/mine', content: String(at) });
    assert.match(await callText(client, 'run_command', { command: 'cat /tmp/mine' }), new RegExp(`^${at}$`, 'm'));
    await client.close();
  });
});

test('a session whose machine is killed says so in its next answer', async () => {
  await using service = await started({});
  const { session } = await makeMachineSession(service, 'doomed', ['--image', 'tvm/python', '--memory', '128']);
  const client = await connect(session, 'modern');
  await callText(client, 'run_command', { command: 'echo the-doomed' });
  const vmm = service.vmms().find(({ folder }) => readOrEmpty(join(folder, 'machine.json')).includes('doomed'));
  assert.ok(vmm, 'no VMM of the session');
  process.kill(vmm.pid, 'SIGKILL');
  const answer = await client.callTool({ name: 'run_command', arguments: { command: 'true' } });
  assert.equal(answer.isError, true);
  assert.match(JSON.stringify(answer.content), /machine|VMM/i);
  await client.close();
});
