import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { Client } from '@modelcontextprotocol/client';
import { z } from 'zod';
import { makeLocalMachine } from '../../../testing/local-machine.ts';
import { startEndpoint } from '../../../testing/mcp-endpoint.ts';

// biome-ignore lint/suspicious/noExplicitAny: results of many shapes, looked into by the tests alone.
type Loose = any;

const loose = z.looseObject({});
const tasks = { capabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } } };

/** As it goes over the wire, for what the client library knows nothing of. */
async function post(url: string, method: string, params: object): Promise<Loose> {
  const envelope = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': tasks.capabilities,
  };
  const name = (params as { name?: string; taskId?: string }).name ?? (params as { taskId?: string }).taskId ?? '';
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      'mcp-name': name,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: envelope } }),
  });
  const text = await response.text();
  const messages = text.startsWith('{')
    ? [text]
    : text
        .split('\n')
        .filter((line) => line.startsWith('data: {'))
        .map((line) => line.slice('data: '.length));
  return JSON.parse(messages.at(-1) ?? '');
}

const run = (command: string) => ({ name: 'run_command', arguments: { command } });

async function until(url: string, taskId: string, status: string): Promise<Loose> {
  for (;;) {
    const { result, error } = await post(url, 'tasks/get', { taskId });
    assert.ok(result, JSON.stringify(error));
    if (result.status === status) return result;
    assert.equal(result.status, 'working');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test('2026-07-28: what takes long becomes a task', { timeout: 60_000 }, async (t) => {
  const local = makeLocalMachine();
  const key = randomBytes(32);
  const keys = async () => [key];
  await using endpoint = await startEndpoint({ local, keys, taskAfterMs: 1_200 });
  const { url } = endpoint;

  await t.test('short work is answered at once', async () => {
    const { result } = await post(url, 'tools/call', run('echo short'));
    assert.equal(result.resultType, 'complete');
    assert.equal(result.structuredContent.stdout, 'short\n');
  });

  const { result: created } = await post(url, 'tools/call', run('echo begin; sleep 3; echo end; exit 2'));

  await t.test('long work is a task, and another replica tells of it', async () => {
    assert.equal(created.resultType, 'task');
    assert.equal(created.status, 'working');
    const { result: now } = await post(url, 'tasks/get', { taskId: created.taskId });
    assert.deepEqual([now.taskId, now.status], [created.taskId, 'working']);
    await using other = await startEndpoint({ local: { ...local, async [Symbol.asyncDispose]() {} }, keys });
    const over = await until(other.url, created.taskId, 'completed');
    assert.deepEqual(
      [over.result.structuredContent.stdout, over.result.structuredContent.exit_code],
      ['begin\nend\n', 2],
    );
  });

  await t.test('a cell of code too; another replica tells of it when the one that began it is gone', async () => {
    const code = { name: 'run_code', arguments: { code: 'import time\nprint("a")\ntime.sleep(1.5)\nx = 7\nx' } };
    const borrowed = { ...local, async [Symbol.asyncDispose]() {} };
    const one = await startEndpoint({ local: borrowed, keys, taskAfterMs: 300 });
    const { result: task } = await post(one.url, 'tools/call', code);
    assert.deepEqual([task.resultType, task.status], ['task', 'working']);
    await one[Symbol.asyncDispose]();
    const { out } = { out: (await until(url, task.taskId, 'completed')).result.structuredContent };
    assert.deepEqual([out.stdout, out.results, out.context_lost], ['a\n', [{ text: '7' }], false]);
    const { result: next } = await post(url, 'tools/call', { name: 'run_code', arguments: { code: 'x + 1' } });
    assert.equal(next.structuredContent.results[0].text, '8', 'the context goes on');
    assert.deepEqual(readdirSync(join(local.root, 'run/tvm/code/cells')), []);
  });

  await t.test('a cell is interrupted when its task is cancelled, and its context goes on', async () => {
    const sleep = { name: 'run_code', arguments: { code: 'time.sleep(100)' } };
    const { result: task } = await post(url, 'tools/call', sleep);
    await post(url, 'tasks/cancel', { taskId: task.taskId });
    assert.equal((await until(url, task.taskId, 'cancelled')).result, undefined);
    const { result: next } = await post(url, 'tools/call', { name: 'run_code', arguments: { code: 'x' } });
    assert.equal(next.structuredContent.results[0].text, '7');
  });

  await t.test('cancelled, and its process is gone', async () => {
    const { result: task } = await post(url, 'tools/call', run('sleep 100'));
    assert.equal(task.resultType, 'task');
    assert.deepEqual(
      Object.keys((await post(url, 'tasks/cancel', { taskId: task.taskId })).result).filter((name) => name !== '_meta'),
      ['resultType'],
    );
    assert.equal((await until(url, task.taskId, 'cancelled')).result, undefined);
    assert.ok(local.processes.list().find(({ id }) => id === task.taskId)?.exited);
    assert.ok((await post(url, 'tasks/cancel', { taskId: task.taskId })).result);
  });

  await t.test('what is not a task, is another caller’s, or was written by the machine', async () => {
    const forged = created.taskId.replace(/.$/, (last: string) => (last === 'A' ? 'B' : 'A'));
    for (const taskId of ['x', forged, '../../etc/passwd']) {
      assert.equal((await post(url, 'tasks/get', { taskId })).error.code, -32602);
    }
    endpoint.context = { ...endpoint.context, caller: 'mallory' };
    assert.equal((await post(url, 'tasks/get', { taskId: created.taskId })).error.code, -32602);
    endpoint.context = { ...endpoint.context, caller: 'alice' };
    writeFileSync(join(local.root, `run/tvm/tasks/${created.taskId}.json`), '{"tool": 7}');
    assert.equal((await post(url, 'tasks/get', { taskId: created.taskId })).error.code, -32602);
  });
});

test('2025-11-25: a task that was asked for', { timeout: 60_000 }, async (t) => {
  await using endpoint = await startEndpoint();
  const client = await endpoint.connect('legacy');
  const ask = (c: Client, method: string, params: object): Promise<Loose> =>
    c.request({ method, params } as Loose, loose);
  const create = async (command: string) =>
    (await ask(client, 'tools/call', { ...run(command), task: { ttl: 60_000 } })).task;

  await t.test('created, listed, awaited', async () => {
    const task = await create('sleep 0.5; echo done');
    assert.deepEqual([task.status, task.ttl], ['working', 60_000]);
    assert.deepEqual(
      (await ask(client, 'tasks/list', {})).tasks.map(({ taskId }: Loose) => taskId),
      [task.taskId],
    );
    const result = await ask(client, 'tasks/result', { taskId: task.taskId });
    assert.equal(result.structuredContent.stdout, 'done\n');
    assert.equal((await ask(client, 'tasks/get', { taskId: task.taskId })).status, 'completed');
    await assert.rejects(ask(client, 'tasks/cancel', { taskId: task.taskId }), /is over/);
  });

  await t.test('cancelled', async () => {
    const task = await create('sleep 100');
    assert.equal((await ask(client, 'tasks/cancel', { taskId: task.taskId })).status, 'cancelled');
    await assert.rejects(ask(client, 'tasks/result', { taskId: task.taskId }), /cancelled/);
  });
});
