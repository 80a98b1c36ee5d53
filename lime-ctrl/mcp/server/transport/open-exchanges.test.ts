import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeOpenExchanges } from './open-exchanges.ts';

const request = (id: unknown) => ({ jsonrpc: '2.0', id, method: 'x' });
const answer = (id: unknown) => ({ jsonrpc: '2.0', id, result: {} });
const cancel = (requestId: unknown) => ({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } });

test('an answer is claimed once while its request is open, a cancellation too; nothing else is', () => {
  const exchanges = makeOpenExchanges();
  exchanges.sent(request(1));
  exchanges.received(request(2));
  const others = [answer(2), answer('1'), cancel(1), request(1), cancel(undefined), null, 'x', [answer(1)], { id: 1 }];
  for (const other of others) assert.equal(exchanges.claim(other), false, JSON.stringify(other));
  for (const good of [answer(1), cancel(2)]) {
    assert.equal(exchanges.claim(good), true);
    assert.equal(exchanges.claim(good), false);
  }
});

test('what was answered or cancelled in the ordinary way is over', () => {
  const exchanges = makeOpenExchanges();
  for (const id of ['a', 'b']) {
    exchanges.sent(request(id));
    exchanges.received(request(id));
  }
  exchanges.received(answer('a'));
  exchanges.sent(cancel('b'));
  exchanges.sent(answer('a'));
  exchanges.received(cancel('b'));
  for (const id of ['a', 'b']) {
    assert.equal(exchanges.claim(answer(id)), false);
    assert.equal(exchanges.claim(cancel(id)), false);
  }
});

test('a peer that asks without end is remembered within bounds', () => {
  const exchanges = makeOpenExchanges();
  for (let id = 0; id < 5_000; id += 1) exchanges.sent(request(id));
  exchanges.sent(request('x'.repeat(257)));
  let claimed = 0;
  for (let id = 0; id < 5_000; id += 1) if (exchanges.claim(answer(id))) claimed += 1;
  assert.equal(claimed, 1_024);
  assert.equal(exchanges.claim(answer('x'.repeat(257))), false);
});
