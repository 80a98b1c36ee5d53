import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { makeEventBudgets } from './event-budget.ts';
import { makeEventStore, requestOf } from './event-store.ts';

const message = (at: number) => ({ jsonrpc: '2.0' as const, method: 'notifications/progress', params: { at } });

test('what is replayed is what came after on the same stream, as far as it is held', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 40 }),
      fc.nat(),
      async (streams, pick) => {
        const store = makeEventStore({ events: 16, bytes: 1_000_000 }, makeEventBudgets().of('a'));
        const ids: string[] = [];
        for (const [at, stream] of streams.entries()) ids.push(await store.storeEvent(stream, message(at)));
        const from = pick % streams.length;
        const held = streams.length - from <= 16;
        assert.equal(store.holds(ids[from] ?? ''), held);
        const replayed: string[] = [];
        const replay = store.replayEventsAfter(ids[from] ?? '', { send: async (id) => void replayed.push(id) });
        if (!held) return assert.rejects(replay);
        assert.equal(await replay, streams[from]);
        assert.deepEqual(
          replayed,
          ids.filter((_, at) => at > from && streams[at] === streams[from]),
        );
      },
    ),
  );
});

test('bytes are bounded too', async () => {
  const store = makeEventStore({ events: 1_000, bytes: 500 }, makeEventBudgets().of('a'));
  const ids: string[] = [];
  for (let at = 0; at < 20; at += 1) ids.push(await store.storeEvent('a', message(at)));
  const [first = '', last = ''] = [ids[0], ids.at(-1)];
  assert.deepEqual([store.holds(first), store.holds(last)], [false, true]);
  const another = makeEventStore({ events: 1_000, bytes: 500 }, makeEventBudgets().of('a'));
  await another.storeEvent('a', message(1));
  assert.deepEqual([store.isOfAnother(first), another.isOfAnother(first), another.holds(first)], [false, true, false]);
});

test('the connections of a session share a budget: who holds most gives first; a store that is over gives all', async () => {
  const budgets = makeEventBudgets(1_000);
  const open = (session: string) => makeEventStore({ events: 1_000, bytes: 900 }, budgets.of(session));
  const sizeOf = Buffer.byteLength(JSON.stringify(message(0)));
  const [large, small, other] = [open('a'), open('a'), open('b')];
  const idsOf = async (store: typeof large, count: number) => {
    const ids: string[] = [];
    for (let at = 0; at < count; at += 1) ids.push(await store.storeEvent('s', message(0)));
    return ids;
  };
  const inLarge = await idsOf(large, Math.floor(900 / sizeOf));
  const inOther = await idsOf(other, Math.floor(900 / sizeOf));
  const inSmall = await idsOf(small, 3);
  const held = [...inLarge, ...inSmall].filter((id) => large.holds(id) || small.holds(id));
  assert.ok(held.length * sizeOf <= 1_000);
  assert.ok(inSmall.every((id) => small.holds(id)) && inOther.every((id) => other.holds(id)));
  assert.ok(!large.holds(inLarge[0] ?? '') && large.holds(inLarge.at(-1) ?? ''));
  for (const store of [large, small, other, other]) store[Symbol.dispose]();
  assert.deepEqual([budgets.size, large.holds(inLarge.at(-1) ?? '')], [0, false]);
});

test('the id of an event says which request its stream answers, and may stand in a header; of strange ids nothing is believed', async () => {
  const requests = fc.oneof(fc.integer(), fc.string({ maxLength: 256, unit: 'binary' }));
  await fc.assert(
    fc.asyncProperty(requests, async (request) => {
      const store = makeEventStore({ events: 16, bytes: 1_000_000 }, makeEventBudgets().of('a'));
      const id = await store.answering(request, () => store.storeEvent('a', message(1)));
      const other = await store.storeEvent('b', message(1));
      assert.deepEqual([requestOf(id), requestOf(other)], [request, undefined]);
      assert.match(id, /^[\x21-\x7e]+$/);
      assert.deepEqual([store.holds(id), store.isOfAnother(id)], [true, false]);
      const another = makeEventStore({ events: 16, bytes: 1_000_000 }, makeEventBudgets().of('a'));
      assert.deepEqual([another.holds(id), another.isOfAnother(id)], [false, true]);
    }),
  );
  const encoded = (text: string) => `0123456789ab-1.${Buffer.from(text).toString('base64url')}`;
  for (const strange of ['', '1', 'x'.repeat(10_000), '0123456789ab-1.', ...['{', '{}', '[1]', 'null'].map(encoded)]) {
    assert.equal(requestOf(strange), undefined);
  }
});
