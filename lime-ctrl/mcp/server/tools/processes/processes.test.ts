import assert from 'node:assert/strict';
import test from 'node:test';
import type { Client } from '@modelcontextprotocol/client';
import { startEndpoint } from '../../../../testing/mcp-endpoint.ts';

// biome-ignore lint/suspicious/noExplicitAny: results of many shapes, looked into by the tests alone.
type Loose = any;

async function call(client: Client, name: string, args: Record<string, unknown>) {
  const { structuredContent, content, isError } = await client.callTool({ name, arguments: args });
  return { out: structuredContent as Loose, text: (content as Loose[])[0]?.text, isError: isError ?? false };
}

test('processes that go on', { timeout: 60_000 }, async (t) => {
  await using endpoint = await startEndpoint();
  const client = await endpoint.connect('modern');

  await t.test('started, given input, read, ended', async () => {
    const { out: started } = await call(client, 'start_process', {
      command: 'echo ready; while read line; do echo "<$line>"; done; exit 4',
      wait_seconds: 30,
    });
    assert.deepEqual([started.running, started.stdout], [true, 'ready\n']);
    const id = started.exec_id;
    const { out: answered } = await call(client, 'write_process_stdin', {
      exec_id: id,
      text: 'hello\n',
      wait_seconds: 30,
    });
    assert.equal(answered.stdout, '<hello>\n');
    const { out: read } = await call(client, 'read_process', { exec_id: id, stdout_offset: started.stdout_offset });
    assert.deepEqual([read.stdout, read.running], ['<hello>\n', true]);
    const { out: ended } = await call(client, 'write_process_stdin', { exec_id: id, end: true, wait_seconds: 10 });
    assert.deepEqual([ended.running, ended.exit_code], [false, 4]);
    const { out: whole } = await call(client, 'read_process', { exec_id: id });
    assert.equal(whole.stdout, 'ready\n<hello>\n');
    const { out: listed } = await call(client, 'list_processes', {});
    assert.deepEqual(
      listed.processes.map((each: Loose) => [each.exec_id, each.running, each.exit_code]),
      [[id, false, 4]],
    );
  });

  await t.test('signalled with its children', async () => {
    const { out: started } = await call(client, 'start_process', { command: 'sleep 100 & sleep 100; echo never' });
    const killed = await call(client, 'signal_process', {
      exec_id: started.exec_id,
      signal: 'SIGKILL',
      wait_seconds: 10,
    });
    assert.equal(killed.out.exit_code, 137);
  });

  await t.test('more than is wanted at once is left for the next look', async () => {
    const { out } = await call(client, 'start_process', {
      command: 'printf "xää%05000d" 7; exec sleep 100',
      wait_seconds: 30,
    });
    const { out: first } = await call(client, 'read_process', { exec_id: out.exec_id, max_bytes: 5 });
    assert.deepEqual([first.stdout, first.stdout_offset], ['xää', 5]);
    const { out: second } = await call(client, 'read_process', { exec_id: out.exec_id, max_bytes: 4 });
    assert.deepEqual([second.stdout, second.stdout_offset], ['xä', 3]);
    const { out: third } = await call(client, 'read_process', { exec_id: out.exec_id, stdout_offset: 3 });
    assert.equal(third.stdout.length, 5001);
    await call(client, 'signal_process', { exec_id: out.exec_id, signal: 'SIGKILL' });
  });

  await t.test("another caller's process is not there", async () => {
    const { out } = await call(client, 'start_process', { command: 'exec sleep 100' });
    endpoint.context = { ...endpoint.context, caller: 'mallory' };
    const other = await endpoint.connect('modern');
    for (const name of ['read_process', 'write_process_stdin', 'signal_process']) {
      const { isError, text } = await call(other, name, { exec_id: out.exec_id });
      assert.equal(isError, true);
      assert.match(text, /there is no such execution/);
    }
    assert.deepEqual((await call(other, 'list_processes', {})).out.processes, []);
    const running = endpoint.local.processes.list().find(({ id }) => id === out.exec_id);
    assert.equal(running?.exited, undefined);
  });
});
