import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { makeEventBudgets } from './event-budget.ts';
import { makeEventStore } from './event-store.ts';

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
