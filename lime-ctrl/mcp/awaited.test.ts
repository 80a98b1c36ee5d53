// Answers and cancellations get through where calls do not, and are no way around the limits.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { McpServer, ServerContext } from '@modelcontextprotocol/server';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import { eventually, startHarness } from '../testing/harness.ts';
import { makeSession, tokenOf, urlOf } from '../testing/sessions.ts';
import { admit, type Claim } from './awaited.ts';
import { makeMcpHandlers } from './handlers.ts';
import { makeSessionLimits } from './session-limits.ts';

const json = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
const answer = (id: unknown) => ({ jsonrpc: '2.0', id, result: { action: 'decline' } });
const cancel = (requestId: unknown) => ({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } });
const call = (id: number, name: string) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name } });
const refused = { code: 'resource_exhausted' };

function post(body: unknown, headers: Record<string, string> = { 'mcp-session-id': 'one' }): Request {
  const content = typeof body === 'string' ? body : JSON.stringify(body);
  return new Request('http://localhost/', { method: 'POST', headers, body: content });
}

/** A session that has nothing left. */
function exhausted() {
  const limits = makeSessionLimits(makeManualClock());
  for (let time = 0; time < 300; time += 1) limits.begin('a').end();
  const claimed: unknown[] = [];
  const claim: Claim = (_to, id, message) => {
    claimed.push(message);
    return id === 'one' && JSON.stringify(message) === JSON.stringify(answer(1));
  };
  const ask = (request: Request, isHere = true) =>
    admit({ limits, claim }, request, { uid: 'a', server: undefined, isHere });
  return { limits, claimed, ask };
}

test('beyond the rate only what is claimed gets through, its body with it', async () => {
  const { ask, claimed } = exhausted();
  const others = [answer(2), call(1, 'ask'), '{', '', 'x'.repeat(70_000), [answer(1)]];
  for (const other of others) await assert.rejects(ask(post(other)), refused);
  const spaces = ' '.repeat(70_000);
  claimed.length = 0;
  await assert.rejects(ask(post(spaces + JSON.stringify(answer(1)))), refused);
  await assert.rejects(ask(post(answer(1), {})), refused);
  await assert.rejects(ask(new Request('http://localhost/', { headers: { 'mcp-session-id': 'one' } })), refused);
  assert.ok(!claimed.some((message) => message !== undefined), 'nothing large is read, nothing without a connection');
  const { request, use } = await ask(post(answer(1)));
  assert.deepEqual(await request.json(), answer(1));
  use.end();
});

test('what belongs to another replica is judged by its kind here', async () => {
  const { ask, claimed } = exhausted();
  for (const message of [answer(7), cancel(7)]) (await ask(post(message), false)).use.end();
  await assert.rejects(ask(post(call(7, 'ask')), false), refused);
  assert.deepEqual(claimed, []);
});

test('bodies that never end are looked at few at once, and give back their places', async () => {
  const { ask } = exhausted();
  const bodies: ReadableStreamDefaultController[] = [];
  const slow = () => {
    const body = new ReadableStream({ start: (controller) => void bodies.push(controller) });
    const init = { method: 'POST', headers: { 'mcp-session-id': 'one' }, body, duplex: 'half' as const };
    return ask(new Request('http://localhost/', init));
  };
  const waiting = Array.from({ length: 16 }, slow).map((each) => assert.rejects(each, refused));
  await assert.rejects(slow(), refused, 'told at once: its body has no end');
  await assert.rejects(ask(post(answer(1))), refused);
  for (const [at, body] of bodies.entries()) at % 2 === 0 ? body.error(new Error('gone')) : body.close();
  await Promise.all(waiting);
  (await ask(post(answer(1)))).use.end();
});

/** "ask" asks its client something, "wait" goes on until it is cancelled. */
function extend(server: McpServer, cancelled: () => void): void {
  server.registerTool('ask', {}, async (context: ServerContext) => {
    const params = { message: 'Who?', requestedSchema: { type: 'object' as const, properties: {} } };
    const { action } = await context.mcpReq.elicitInput(params, { relatedRequestId: context.mcpReq.id });
    return { content: [{ type: 'text' as const, text: action }] };
  });
  server.registerTool('wait', {}, async ({ mcpReq: { signal } }: ServerContext) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    cancelled();
    return { content: [] };
  });
}

test('a session with all of its requests open still answers and cancels, once each', { timeout: 60_000 }, async () => {
  let cancelled = 0;
  const extension = { extend: (server: McpServer) => extend(server, () => (cancelled += 1)) };
  await using harness = await startHarness({
    makeHandlers: (deps, keys) => makeMcpHandlers({ ...deps, extension }, keys),
  });
  const session = await makeSession(harness, 'agent');
  const leave = new AbortController();
  const connection: Record<string, string> = {};
  const authorization = `Bearer ${await tokenOf(harness, session)}`;
  const send = (body: unknown) =>
    fetch(urlOf(session), {
      method: 'POST',
      headers: { ...json, authorization, ...connection },
      body: JSON.stringify(body),
      signal: leave.signal,
    });
  const status = async (body: unknown) => {
    const response = await send(body);
    await response.body?.cancel();
    return response.status;
  };
  const clientInfo = { name: 'test', version: '1' };
  const params = { protocolVersion: '2025-11-25', capabilities: { elicitation: {} }, clientInfo };
  const opened = await send({ jsonrpc: '2.0', id: 0, method: 'initialize', params });
  await opened.text();
  connection['mcp-session-id'] = opened.headers.get('mcp-session-id') ?? '';
  await status({ jsonrpc: '2.0', method: 'notifications/initialized' });
  const asking = await send(call(1, 'ask'));
  const reader = (asking.body as ReadableStream<Uint8Array>).getReader();
  let heard = '';
  while (!heard.includes('elicitation/create')) heard += Buffer.from((await reader.read()).value ?? []).toString();
  const question = JSON.parse(/^data: (\{.*elicitation\/create.*)$/m.exec(heard)?.[1] ?? '{}') as { id: number };
  // A response that nobody holds is cancelled when it is collected.
  const held: Response[] = [];
  for (let id = 2; id < 129; id += 1) held.push(await send(call(id, 'wait')));
  assert.ok(held.every((each) => each.status === 200));

  const attacks = [
    call(200, 'wait'),
    answer('made up'),
    cancel(999),
    [answer(question.id)],
    { jsonrpc: '2.0', method: 'ping' },
  ];
  for (const attack of attacks) assert.equal(await status(attack), 429, JSON.stringify(attack));
  assert.equal(await status(cancel(2)), 202);
  await eventually(() => cancelled === 1);
  assert.equal(await status(cancel(2)), 429);
  assert.equal(await status(answer(question.id)), 202);
  while (!heard.includes('decline')) heard += Buffer.from((await reader.read()).value ?? []).toString();
  assert.equal(held.length, 127);
  leave.abort();
});
