import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { Client } from '@modelcontextprotocol/client';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import { microVms } from '@tvm/kit/kube/client.ts';
import { type Era, eras, startEndpoint } from '../../../testing/mcp-endpoint.ts';

// biome-ignore lint/suspicious/noExplicitAny: results of many shapes, looked into by the tests alone.
type Loose = any;

/** Calls `heard` with each URI that is told to have changed. */
async function subscribe(client: Client, era: Era, uri: string, heard: (uri: string) => void): Promise<void> {
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => heard(params.uri));
  if (era === 'legacy') await client.subscribeResource({ uri });
  else await client.listen({ resourceSubscriptions: [uri] });
}

for (const era of eras) {
  test(`${era}: resources`, { timeout: 60_000 }, async (t) => {
    await using endpoint = await startEndpoint();
    mkdirSync(join(endpoint.local.root, 'root'));
    writeFileSync(join(endpoint.local.root, 'root/notes ä.txt'), 'hello');
    const client = await endpoint.connect(era);
    const command = await client.callTool({ name: 'run_command', arguments: { command: 'seq 1 20000' } });
    const execId = (command.structuredContent as Loose).exec_id as string;

    await t.test('listed and read', async () => {
      const { resources } = await client.listResources();
      const uris = resources.map(({ uri }) => uri);
      for (const uri of ['vm://self/status', 'file:///root/notes%20%C3%A4.txt', `exec://${execId}/stdout`]) {
        assert.ok(uris.includes(uri), uri);
        const { contents } = await client.readResource({ uri });
        assert.equal(contents[0]?.uri, uri);
      }
      const output = (await client.readResource({ uri: `exec://${execId}/stdout` })).contents[0] as Loose;
      assert.ok(output.text.startsWith('1\n2\n') && output.text.endsWith('\n20000\n'));
      const folder = (await client.readResource({ uri: 'file:///root' })).contents[0] as Loose;
      assert.equal(JSON.parse(folder.text).entries[0].path, '/root/notes ä.txt');
      const { resourceTemplates } = await client.listResourceTemplates();
      assert.deepEqual(resourceTemplates.map(({ uriTemplate }) => uriTemplate).sort(), [
        'exec://{id}/{channel}',
        'file:///{+path}',
      ]);
    });

    await t.test('what is not there, or not the caller’s', async () => {
      const other = `exec://${execId.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))}/stdout`;
      for (const uri of ['file:///root/none', other, 'vm://self/secrets', 'file:///root/%00']) {
        await assert.rejects(client.readResource({ uri }), /not found/i, uri);
      }
    });

    await t.test('ports: what the kernel of the machine tells', async () => {
      const table =
        '   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 368 1 0\n';
      mkdirSync(join(endpoint.local.root, 'proc/net'), { recursive: true });
      writeFileSync(join(endpoint.local.root, 'proc/net/tcp'), table);
      const { contents } = await client.readResource({ uri: 'vm://self/ports' });
      assert.deepEqual(JSON.parse((contents[0] as Loose).text).ports, [{ port: 8000, address: '127.0.0.1' }]);
    });

    await t.test('policy: what is declared', async () => {
      const network = { egress: 'restricted' as const, allow: [{ domain: 'pypi.org', ports: [443] }] };
      const spec = {
        image: 'i',
        cpu: 1,
        memory: 64,
        desiredState: 'Running' as const,
        network,
        limits: { cpuPercent: 50 },
      };
      const metadata = { name: 'agent-vm', namespace: 'default' };
      await endpoint.kube.create(microVms, { apiVersion, kind: 'MicroVM', metadata, spec });
      const { contents } = await client.readResource({ uri: 'vm://self/policy' });
      const policy = JSON.parse((contents[0] as Loose).text);
      assert.deepEqual([policy.network, policy.limits], [network, { cpuPercent: 50 }]);
    });

    await t.test('completed', async () => {
      const file = { type: 'ref/resource' as const, uri: 'file:///{+path}' };
      const path = await client.complete({ ref: file, argument: { name: 'path', value: 'root/no' } });
      assert.deepEqual(path.completion.values, ['root/notes ä.txt']);
      const exec = { type: 'ref/resource' as const, uri: 'exec://{id}/{channel}' };
      const id = await client.complete({ ref: exec, argument: { name: 'id', value: execId.slice(0, 5) } });
      assert.deepEqual(id.completion.values, [execId]);
      const prompt = { type: 'ref/prompt' as const, name: 'analyze_file' };
      const prompted = await client.complete({ ref: prompt, argument: { name: 'path', value: '/root/' } });
      assert.deepEqual(prompted.completion.values, ['/root/notes ä.txt']);
    });

    await t.test('prompts', async () => {
      const { prompts } = await client.listPrompts();
      assert.ok(prompts.length >= 3);
      const { messages } = await client.getPrompt({ name: 'work_in_the_machine', arguments: { task: 'build it' } });
      assert.match((messages[0] as Loose).content.text, /build it/);
    });

    await t.test('told of changes: a file, and an output that grows', async () => {
      const { structuredContent } = await client.callTool({
        name: 'start_process',
        arguments: { command: 'while true; do echo more; sleep 0.2; done' },
      });
      const running = `exec://${(structuredContent as Loose).exec_id}/stdout`;
      for (const uri of ['file:///root/notes%20%C3%A4.txt', running]) {
        const { promise, resolve } = Promise.withResolvers<string>();
        await subscribe(client, era, uri, (changed) => changed === uri && resolve(changed));
        const writing = setInterval(() => writeFileSync(join(endpoint.local.root, 'root/notes ä.txt'), 'more'), 100);
        try {
          assert.equal(await promise, uri);
        } finally {
          clearInterval(writing);
        }
      }
    });
  });
}

test('without the scopes, resources and tools are not there', { timeout: 30_000 }, async () => {
  await using endpoint = await startEndpoint({ context: { scopes: new Set(['vm:read']) } });
  const client = await endpoint.connect('modern');
  const { resources } = await client.listResources();
  assert.ok(resources.every(({ uri }) => uri.startsWith('vm://')));
  await assert.rejects(client.readResource({ uri: 'file:///etc/passwd' }));
  const { tools } = await client.listTools();
  assert.deepEqual(
    tools.map(({ name }) => name),
    ['vm_status', 'vm_metrics', 'snapshot_list', 'mcp_server_list'],
  );
  await assert.rejects(client.callTool({ name: 'run_command', arguments: { command: 'id' } }));
});
