import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { graceMs, type KeptRoot, planCollection } from './collection-plan.ts';

const nowMs = 1e12;
const root = (digest: string, idleMs: number, references = [digest]): KeptRoot => ({
  ...{ digest, sizeBytes: 10, lastUsedAtMs: nowMs - idleMs, references },
});
const digests = (roots: KeptRoot[], budgetBytes: number, used: string[] = []) =>
  planCollection(roots, { budgetBytes, used: new Set(used), nowMs }).map(({ digest }) => digest);

it('takes the least recently used until the rest fits, never what is used or was just asked for', () => {
  const roots = [root('new', 1), root('old', 4 * graceMs), root('older', 5 * graceMs), root('less', 2 * graceMs)];
  assert.deepEqual(digests(roots, 40), []);
  assert.deepEqual(digests(roots, 39), ['older']);
  assert.deepEqual(digests(roots, 25, ['older']), ['old', 'less']);
  assert.deepEqual(digests(roots, 0), ['older', 'old', 'less']);
});

it('takes what nothing refers to whatever the budget', () => {
  assert.deepEqual(digests([root('a', 2 * graceMs, []), root('b', 3 * graceMs)], 1000), ['a']);
  assert.deepEqual(digests([root('a', 2 * graceMs, [])], 1000, ['a']), []);
});

it('keeps within the budget whenever what may not go does', () => {
  const roots = fc.uniqueArray(
    fc.record({
      digest: fc.string(),
      sizeBytes: fc.nat(1000),
      lastUsedAtMs: fc.integer({ min: nowMs - 9 * graceMs, max: nowMs }),
      references: fc.array(fc.string(), { maxLength: 2 }),
    }),
    { selector: ({ digest }) => digest },
  );
  const used = fc.array(fc.string());
  fc.assert(
    fc.property(roots, used, fc.nat(5000), (all, names, budgetBytes) => {
      const going = planCollection(all, { budgetBytes, used: new Set(names), nowMs });
      const fixed = all.filter(({ digest, lastUsedAtMs }) => names.includes(digest) || nowMs - lastUsedAtMs <= graceMs);
      const sum = (list: KeptRoot[]) => list.reduce((bytes, { sizeBytes }) => bytes + sizeBytes, 0);
      assert.ok(going.every((each) => !fixed.includes(each)));
      assert.ok(sum(all) - sum(going) <= Math.max(budgetBytes, sum(fixed)));
    }),
  );
});
