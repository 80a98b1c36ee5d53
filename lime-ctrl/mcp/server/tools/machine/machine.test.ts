import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { Client } from '@modelcontextprotocol/client';
import { TvmError } from '@tvm/api/errors.ts';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import { mcpSessions, microVmSnapshots, microVms } from '@tvm/kit/kube/client.ts';
import { eras, startEndpoint } from '../../../../testing/mcp-endpoint.ts';

// biome-ignore lint/suspicious/noExplicitAny: results of many shapes, looked into by the tests alone.
type Loose = any;

const vm: MicroVm = {
  apiVersion,
  kind: 'MicroVM',
  metadata: { name: 'agent-vm', namespace: 'default', creationTimestamp: new Date().toISOString() },
  spec: { image: 'tvm/python', desiredState: 'Running', cpu: 1, memory: 256, mcpMode: true, ttlSeconds: 60 },
};

async function call(client: Client, name: string, args: Record<string, unknown> = {}) {
  const { structuredContent, content, isError } = await client.callTool({ name, arguments: args });
  return { out: structuredContent as Loose, text: (content as Loose[])[0]?.text, isError: isError ?? false };
}

test('the life of the machine', { timeout: 30_000 }, async (t) => {
  await using endpoint = await startEndpoint();
  const { kube, local } = endpoint;
  await kube.create(microVms, vm);
  const client = await endpoint.connect('modern');
  const spec = async () => (await kube.get(microVms, 'default', 'agent-vm')).spec;

  await t.test('status and metrics', async () => {
    assert.equal((await call(client, 'vm_status')).out.state, 'running');
    assert.equal((await call(client, 'vm_metrics')).out.process_count, 3);
  });

  const pausedMachine = () => ({ node: 'node-a', machine: { ...local.machine, state: MachineState.PAUSED } });

  await t.test('paused and resumed by what is declared', async () => {
    const { context } = endpoint;
    endpoint.context = { ...context, lastSeen: pausedMachine };
    assert.deepEqual((await call(client, 'vm_pause')).out, { desired_state: 'Paused', paused: true });
    endpoint.context = context;
    assert.equal((await spec()).desiredState, 'Paused');
    assert.equal((await call(client, 'vm_resume')).out.state, 'running');
    assert.equal((await spec()).desiredState, 'Running');
  });

  await t.test('left paused: its status says so, and what to do', async () => {
    const { context } = endpoint;
    const refused = new TvmError('failed_precondition', 'it is paused', {
      reason: 'MachinePaused',
      hint: 'Resume it.',
    });
    const machine = () => Promise.reject(refused);
    endpoint.context = { ...context, machine, lastSeen: pausedMachine };
    const { out, isError } = await call(client, 'vm_status');
    assert.deepEqual([isError, out.state, out.message], [false, 'paused', 'it is paused (MachinePaused). Resume it.']);
    const { contents } = await client.readResource({ uri: 'vm://self/status' });
    assert.equal(JSON.parse((contents[0] as Loose).text).state, 'paused');
    assert.equal((await call(client, 'run_command', { command: 'id' })).isError, true);
    endpoint.context = context;
  });

  await t.test('extended, never shortened', async () => {
    assert.equal((await call(client, 'vm_extend', { seconds: 10 })).out.extended, false);
    assert.equal((await call(client, 'vm_extend', { seconds: 500 })).out.extended, true);
    assert.ok(((await spec()).ttlSeconds ?? 0) >= 500);
  });

  await t.test('reset when it is meant', async () => {
    assert.equal((await call(client, 'vm_reset', { confirm: true })).out.reset, true);
    assert.deepEqual(local.calls, ['stop']);
  });

  await t.test('snapshots: taken, failed, listed', async () => {
    const taking = call(client, 'snapshot_create', { name: 'one' });
    const find = () => kube.get(microVmSnapshots, 'default', 'one');
    let made = await find().catch(() => undefined);
    while (!made) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      made = await find().catch(() => undefined);
    }
    await kube.updateStatus(microVmSnapshots, { ...made, status: { phase: 'Ready', readyToUse: true, sizeBytes: 9 } });
    assert.deepEqual((await taking).out, { name: 'one', phase: 'Ready', ready: true, size_bytes: 9 });
    const { out } = await call(client, 'snapshot_list');
    assert.deepEqual(
      out.snapshots.map(({ name }: Loose) => name),
      ['one'],
    );
    assert.equal((await call(client, 'snapshot_create', { name: 'one' })).isError, true);
  });

  await t.test('restored: another machine is declared and waited for', async () => {
    const session = { userId: 'alice', groupId: 'everyone' };
    await kube.create(mcpSessions, {
      apiVersion,
      kind: 'MCPSession',
      metadata: { name: 'agent', namespace: 'default' },
      spec: session as never,
    });
    assert.equal((await call(client, 'snapshot_restore', { name: 'none' })).isError, true);
    const { context } = endpoint;
    const { uid = '' } = (await kube.get(microVms, 'default', 'agent-vm')).metadata;
    const replaced = { ...local.machine, uid: 'another' };
    let leftPaused = true;
    const machine = async () => {
      const gone = await kube.get(microVms, 'default', 'agent-vm').then(
        () => false,
        () => true,
      );
      if (gone) return { node: 'node-a', machine: replaced };
      if (leftPaused) throw new TvmError('failed_precondition', 'it is paused', { reason: 'MachinePaused' });
      return { node: 'node-a', machine: { ...local.machine, uid } };
    };
    endpoint.context = { ...context, machine };
    assert.equal((await call(client, 'snapshot_restore', { name: 'one' })).out.state, 'running');
    const { annotations } = (await kube.get(mcpSessions, 'default', 'agent')).metadata;
    assert.deepEqual(annotations, { 'vvm.tvm.github.com/restore-from': 'one' });

    leftPaused = false;
    await kube.create(microVms, { ...vm, spec: { ...vm.spec, snapshot: 'one' } });
    assert.equal((await call(client, 'vm_reset', { confirm: true })).out.reset, true);
    assert.deepEqual((await kube.get(mcpSessions, 'default', 'agent')).metadata.annotations ?? {}, {});
    endpoint.context = context;
  });

  await t.test('MCP servers are written down in the machine', async () => {
    const added = await call(client, 'mcp_server_add', { name: 'git', command: 'git-mcp', args: ['--stdio'] });
    assert.equal(added.out.url, 'https://example.test/sessions/session-1/servers/git/mcp');
    assert.deepEqual(
      (await call(client, 'mcp_server_list')).out.servers.map(({ name }: Loose) => name),
      ['git'],
    );
    assert.equal((await call(client, 'mcp_server_remove', { name: 'git' })).out.removed, true);
    assert.deepEqual((await call(client, 'mcp_server_list')).out.servers, []);
    assert.equal((await call(client, 'mcp_server_add', { name: '../x', command: 'y' })).isError, true);
  });

  await t.test('packages: no network, and no options in the place of names', async () => {
    const none = await call(client, 'install_packages', { manager: 'pip', packages: ['numpy'] });
    assert.match(none.text, /no network.*spec\.network/s);
    const option = await call(client, 'install_packages', { manager: 'pip', packages: ['--target=/etc'] });
    assert.match(option.text, /is no name of a package/);
  });

  await t.test('a machine that is gone says so in each answer', async () => {
    endpoint.context = {
      ...endpoint.context,
      machine: async () => {
        throw new TvmError('failed_precondition', 'its machine failed', {
          reason: 'OutOfMemory',
          hint: 'It starts anew.',
        });
      },
    };
    for (const name of ['vm_status', 'run_command', 'list_processes']) {
      const { isError, text } = await call(client, name, name === 'run_command' ? { command: 'id' } : {});
      assert.equal(isError, true);
      assert.equal(text, 'its machine failed (OutOfMemory). It starts anew.');
    }
    await assert.rejects(client.readResource({ uri: 'vm://self/status' }), /its machine failed \(OutOfMemory\)/);
  });
});

for (const era of eras) {
  test(`${era}: a reset is asked about where the client can ask`, { timeout: 30_000 }, async () => {
    await using endpoint = await startEndpoint();
    await endpoint.kube.create(microVms, vm);
    const client = await endpoint.connect(era, { capabilities: { elicitation: { form: {} } } });
    let agreed = false;
    client.setRequestHandler('elicitation/create', ({ params }) => {
      assert.match(params.message, /Reset the machine of session agent/);
      return { action: 'accept', content: { confirm: agreed } };
    });
    assert.equal((await call(client, 'vm_reset')).out.reset, false);
    assert.deepEqual(endpoint.local.calls, []);
    agreed = true;
    assert.equal((await call(client, 'vm_reset')).out.reset, true);
    assert.deepEqual(endpoint.local.calls, ['stop']);
  });
}

test('files by URL', { timeout: 30_000 }, async () => {
  await using endpoint = await startEndpoint();
  const client = await endpoint.connect('modern');
  const { root } = endpoint.local;
  const base = new URL('/', endpoint.url);
  const urlOf = async (path: string, direction: string) => {
    const { out } = await call(client, 'get_transfer_url', { path, direction });
    assert.match(out.url, /^https:\/\/example\.test\/transfers\//);
    return new URL(new URL(out.url).pathname, base);
  };
  const big = Buffer.alloc(300_000, 'abc');
  const up = await urlOf('/project/in.bin', 'upload');
  assert.equal(((await (await fetch(up, { method: 'PUT', body: big })).json()) as Loose).size, big.length);
  const down = await urlOf('/project/in.bin', 'download');
  const fetched = await fetch(down);
  assert.deepEqual(Buffer.from(await fetched.arrayBuffer()), big);
  assert.equal(fetched.headers.get('content-disposition'), "attachment; filename*=UTF-8''in.bin");
  writeFileSync(join(root, 'project/other'), 'secret');
  assert.equal((await fetch(down, { method: 'PUT', body: 'x' })).status, 405);
  const sealed = down.pathname.split('/').at(-1) ?? '';
  const [body = '', tag = ''] = sealed.split('.');
  const forged = JSON.parse(Buffer.from(body, 'base64url').toString());
  const other = Buffer.from(JSON.stringify({ ...forged, path: '/project/other' })).toString('base64url');
  for (const made of [`${other}.${tag}`, 'x', `${body}.`, `${body}.${tag}.x`]) {
    assert.equal((await fetch(new URL(`/transfers/${made}`, base))).status, 404);
  }
  assert.equal((await call(client, 'get_transfer_url', { path: '/none', direction: 'download' })).isError, true);
});
