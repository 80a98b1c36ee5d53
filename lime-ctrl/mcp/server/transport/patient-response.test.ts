import assert from 'node:assert/strict';
import test from 'node:test';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import { patientResponse } from './patient-response.ts';

const never = () => assert.fail('nobody left');

test('an answer that comes soon is passed on as it is', async () => {
  const answer = Response.json({ error: {} }, { status: 400 });
  assert.equal(await patientResponse(Promise.resolve(answer), { clock: makeManualClock(), leave: never }), answer);
});

test('one that takes long becomes a stream that is kept alive', async () => {
  const clock = makeManualClock();
  const { promise, resolve } = Promise.withResolvers<Response>();
  const pending = patientResponse(promise, { clock, leave: never });
  await clock.advance(3_000);
  const response = await pending;
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  const reader = response.body?.getReader();
  const read = async () => Buffer.from((await reader?.read())?.value ?? []).toString();
  assert.equal(await read(), ': keepalive\n\n');
  const next = read();
  await clock.advance(15_000);
  assert.equal(await next, ': keepalive\n\n');
  resolve(Response.json({ id: 1 }));
  assert.equal(await read(), 'event: message\ndata: {"id":1}\n\n');
  assert.equal((await reader?.read())?.done, true);
});

test('an answer that is a stream itself goes on in it, and a client that leaves is known', async () => {
  const clock = makeManualClock();
  const { promise, resolve } = Promise.withResolvers<Response>();
  let left = false;
  const pending = patientResponse(promise, { clock, leave: () => (left = true) });
  await clock.advance(3_000);
  const response = await pending;
  const events = new Response('data: 1\n\n', { headers: { 'content-type': 'text/event-stream' } });
  const reader = response.body?.getReader();
  await reader?.read();
  resolve(events);
  assert.equal(Buffer.from((await reader?.read())?.value ?? []).toString(), 'data: 1\n\n');
  const other = patientResponse(new Promise(() => {}), { clock, leave: () => (left = true) });
  await clock.advance(3_000);
  await (await other).body?.cancel();
  assert.equal(left, true);
});
