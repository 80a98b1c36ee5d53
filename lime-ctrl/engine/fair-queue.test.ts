import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeAdmission } from './admission.ts';
import { makeFairQueue } from './fair-queue.ts';

test('nothing is lost or doubled, of one tenant the first comes first, and nobody is passed over twice by the same', () => {
  const tenant = fc.constantFrom('a', 'b', 'c');
  const step = fc.oneof(
    fc.record({ push: tenant }),
    fc.record({ shift: fc.uniqueArray(tenant, { minLength: 1 }) }),
    fc.record({ remove: fc.nat(40) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const queue = makeFairQueue<{ id: number; tenant: string }>(6);
      let waiting: { id: number; tenant: string }[] = [];
      /** How often a tenant that waits saw each other one served. */
      const passed = new Map<string, Map<string, number>>();
      for (const [id, each] of steps.entries()) {
        if ('push' in each) {
          const item = { id, tenant: each.push };
          waiting.push(item);
          const gone = queue.push(item.tenant, item);
          if (gone) {
            assert.equal(waiting.length, 7);
            const lengthOf = (name: string) => waiting.filter((other) => other.tenant === name).length;
            assert.ok(
              ['a', 'b', 'c'].every((name) => lengthOf(gone.tenant) >= lengthOf(name)),
              'the longest gives way',
            );
            waiting = waiting.filter((other) => other !== gone);
          }
        } else if ('shift' in each) {
          const got = queue.shift((name) => each.shift.some((other) => other === name));
          const may = waiting.filter((other) => each.shift.some((name) => name === other.tenant));
          assert.equal(got === undefined, may.length === 0);
          if (!got) continue;
          assert.equal(
            got,
            waiting.find((other) => other.tenant === got.tenant),
          );
          waiting = waiting.filter((other) => other !== got);
          passed.delete(got.tenant);
          // Who may not be served now is passed over for another reason.
          for (const name of new Set(may.map((other) => other.tenant))) {
            if (name === got.tenant) continue;
            const seen = passed.get(name) ?? new Map<string, number>();
            passed.set(name, seen.set(got.tenant, (seen.get(got.tenant) ?? 0) + 1));
            assert.ok((seen.get(got.tenant) ?? 0) <= 1, `${got.tenant} is served twice while ${name} waits`);
          }
        } else {
          const item = waiting[each.remove];
          if (item) queue.remove(item.tenant, item);
          waiting = waiting.filter((other) => other !== item);
        }
        for (const name of passed.keys()) if (waiting.every((other) => other.tenant !== name)) passed.delete(name);
        assert.equal(queue.length, waiting.length);
      }
    }),
  );
});

test('the burst of one namespace does not starve another', async () => {
  const admission = makeAdmission({ running: 4, runningPerNamespace: 3, queued: 10 });
  const stop = new AbortController();
  const order: string[] = [];
  const refused: string[] = [];
  const enter = async (namespace: string) => {
    const place = await admission.enter(namespace, stop.signal);
    order.push(namespace);
    return place;
  };
  const first = await Promise.all([enter('busy'), enter('busy'), enter('busy')]);
  const burst = Array.from({ length: 30 }, () =>
    enter('busy').catch((error) => refused.push(`${error.code} ${error.retryAfterSeconds}`)),
  );
  const calm = await Promise.all([enter('calm')]);
  const [second, third] = [enter('calm'), enter('calm')];
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([admission.running, admission.queued, refused.length], [4, 10, 22]);
  assert.equal(refused[0], 'resource_exhausted 3');
  calm[0]?.[Symbol.dispose]();
  await second;
  assert.deepEqual(order, ['busy', 'busy', 'busy', 'calm', 'calm'], 'busy has as many places as it may');
  for (const place of first) place[Symbol.dispose]();
  await third;
  assert.ok(order.lastIndexOf('calm') <= 6, order.join());
  stop.abort();
  await Promise.all(burst);
  assert.equal(admission.queued, 0);
});
