// Clients of both eras before servers of both eras: each pair gets all of the protocol.
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import type { Client } from '@modelcontextprotocol/client';
import { startBridge, type TestBridge, textOf, until } from '../../testing/mcp-bridge.ts';
import { eras } from '../../testing/mcp-endpoint.ts';

const options = { timeout: 30_000 };
let bridge: TestBridge;

before(async () => {
  bridge = await startBridge();
});
after(() => bridge[Symbol.asyncDispose]());

for (const [era, server] of eras.flatMap((client) => eras.map((other) => [client, other] as const))) {
  const pair = `client ${era}, server ${server}`;
  let client: Client;
  const heard: string[] = [];

  test(`${pair}: tools, an answer, an error`, options, async () => {
    client = await bridge.connect(era, server, { capabilities: { elicitation: { form: {} } } });
    const { tools } = await client.listTools();
    assert.ok(tools.some(({ name }) => name === 'echo'));
    assert.equal(await textOf(client, 'echo', { a: 'ä' }), '{"a":"ä"}');
    await assert.rejects(client.callTool({ name: 'missing', arguments: {} }), /no tool missing/);
  });

  test(`${pair}: the server asks two things in the middle of a call`, options, async () => {
    const messages: string[] = [];
    client.setRequestHandler('elicitation/create', ({ params }) => {
      messages.push(params.message);
      return { action: 'accept', content: { name: `of ${params.message}` } };
    });
    assert.equal(await textOf(client, 'ask'), '{"name":"of first"} {"name":"of second"}');
    assert.deepEqual(messages.sort(), ['first', 'second']);
  });

  test(`${pair}: progress, and calls at once that do not mix it up`, options, async () => {
    const seen = await Promise.all(
      [1, 2, 3].map(async () => {
        const steps: number[] = [];
        const onprogress = ({ progress }: { progress: number }) => steps.push(progress);
        await client.callTool({ name: 'progress', arguments: {} }, { onprogress });
        return steps;
      }),
    );
    assert.deepEqual(seen, Array(3).fill([1, 2, 3]));
  });

  test(`${pair}: log messages, changes and updates`, options, async () => {
    for (const method of ['notifications/tools/list_changed', 'notifications/resources/updated'] as const) {
      client.setNotificationHandler(method, () => void heard.push(method));
    }
    client.setNotificationHandler('notifications/message', ({ params }) => void heard.push(String(params.data)));
    if (era === 'legacy') {
      await client.setLoggingLevel('info');
      await client.subscribeResource({ uri: 'test://watched' });
    } else await client.listen({ toolsListChanged: true, resourceSubscriptions: ['test://watched'] });
    await textOf(client, 'change');
    await until(() => heard.length >= 2);
    assert.deepEqual(heard.sort(), ['notifications/resources/updated', 'notifications/tools/list_changed']);
    const _meta = { 'io.modelcontextprotocol/logLevel': 'info' };
    await client.callTool({ name: 'log', arguments: {}, ...(era === 'modern' && { _meta }) });
    await until(() => heard.includes('a message'));
  });

  test(`${pair}: a call that is cancelled is cancelled in the server`, options, async () => {
    assert.equal(await textOf(client, 'cancelled'), '0');
    const stop = new AbortController();
    const waiting = client.callTool({ name: 'wait', arguments: {} }, { signal: stop.signal });
    const ended = assert.rejects(waiting);
    await until(async () => (await textOf(client, 'waiting')) === '1');
    stop.abort();
    await ended;
    await until(async () => (await textOf(client, 'cancelled')) === '1');
  });

  test(`${pair}: a crash is an error with the end of its stderr, and it starts anew`, options, async () => {
    await assert.rejects(client.callTool({ name: 'crash', arguments: {} }), (error: Error) => {
      assert.match(error.message, /exit code 3.*fatal: \[31mthe disk is full/);
      return true;
    });
    if (era === 'legacy') await assert.rejects(client.listTools(), /Initialize again/);
    else assert.equal(await textOf(client, 'count'), '1');
  });
}
