// Updates of resources wait for whoever does not listen yet, or not any more.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JSONRPCMessage } from '@modelcontextprotocol/server';
import { makeEventBudgets } from './event-budget.ts';
import { makeEventStore } from './event-store.ts';
import { LegacyTransport } from './legacy-transport.ts';

const url = 'http://localhost/';
const version = { 'mcp-protocol-version': '2025-11-25' };
const updated = (uri: string): JSONRPCMessage => ({
  jsonrpc: '2.0',
  method: 'notifications/resources/updated',
  params: { uri },
});

async function open() {
  const events = makeEventStore({ events: 1_024, bytes: 1_000_000 }, makeEventBudgets().of('a'));
  const transport = new LegacyTransport({ id: 'one', events, onClosed: () => {} });
  transport.onmessage = (message) => {
    if ('id' in message && 'method' in message && message.method !== 'slow') {
      void transport.send({ jsonrpc: '2.0', id: message.id as number, result: {} });
    }
  };
  const headers = { ...version, accept: 'application/json, text/event-stream', 'content-type': 'application/json' };
  const clientInfo = { name: 'test', version: '1' };
  const post = (body: object) => {
    const own = { ...headers, 'mcp-session-id': 'one' };
    return transport.serve(new Request(url, { method: 'POST', headers: own, body: '{}' }), { jsonrpc: '2.0', ...body });
  };
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
  await (await post({ id: 0, method: 'initialize', params })).text();
  return { transport, post };
}

async function listen(transport: LegacyTransport, lastEventId?: string) {
  const resumed = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
  const headers = { ...version, accept: 'text/event-stream', 'mcp-session-id': 'one', ...resumed };
  const response = await transport.serve(new Request(url, { headers }), undefined);
  assert.equal(response.status, 200);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  return {
    leave: () => reader.cancel(),
    /** The next events: their ids and resources. */
    async take(count: number) {
      let text = '';
      const found = () => [...text.matchAll(/^id: (.*)\ndata: .*"uri":"(.*?)"/gm)];
      while (found().length < count) {
        const { value, done } = await reader.read();
        assert.ok(!done, text);
        text += Buffer.from(value).toString();
      }
      return found().map(([, id = '', uri = '']) => ({ id, uri }));
    },
  };
}

const urisOf = (events: { uri: string }[]) => events.map(({ uri }) => uri);

test('what changed before the client listens is told when it does, once for each resource', async () => {
  const { transport } = await open();
  for (const uri of ['a', 'b', 'a']) await transport.send(updated(uri));
  const stream = await listen(transport);
  await transport.send(updated('c'));
  assert.deepEqual(urisOf(await stream.take(3)), ['b', 'a', 'c']);
});

test('between two streams too, whether the next resumes the former or begins anew', async () => {
  const { transport } = await open();
  const first = await listen(transport);
  for (const uri of ['a', 'b']) await transport.send(updated(uri));
  const [a] = await first.take(2);
  await first.leave();
  await transport.send(updated('c'));
  const second = await listen(transport, a?.id);
  assert.deepEqual(urisOf(await second.take(2)), ['b', 'c']);
  await second.leave();
  await transport.send(updated('d'));
  const third = await listen(transport);
  assert.deepEqual(urisOf(await third.take(1)), ['d']);
});

test('who takes up the stream of a call does not listen: what waits goes on waiting', async () => {
  const { transport, post } = await open();
  const call = await post({ id: 1, method: 'slow' });
  const reader = (call.body as ReadableStream<Uint8Array>).getReader();
  const primed = Buffer.from((await reader.read()).value ?? []).toString();
  await transport.send(updated('a'));
  const resumed = await listen(transport, /^id: (.*)$/m.exec(primed)?.[1] ?? '');
  const stream = await listen(transport);
  assert.deepEqual(urisOf(await stream.take(1)), ['a']);
  await resumed.leave();
});

test('what waits is bounded, the newest stay', async () => {
  const { transport } = await open();
  for (let at = 0; at < 1_000; at += 1) await transport.send(updated(`u${at}`));
  await transport.send(updated('x'.repeat(5_000)));
  const stream = await listen(transport);
  const uris = urisOf(await stream.take(64));
  assert.deepEqual([uris[0], uris.at(-1), uris.length], ['u936', 'u999', 64]);
});
