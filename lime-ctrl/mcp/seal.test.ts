import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import { makeSeal } from './seal.ts';

const old = randomBytes(32);
const fresh = randomBytes(32);
const seal = makeSeal(async () => [fresh, old]);

test('ids hold for their kind and binding alone, and are names that a process may have', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string(), fc.string(), async (binding, other) => {
      const id = await seal.mint('e', binding);
      assert.match(id, /^[\w.-]{1,64}$/);
      assert.equal(await seal.holds(id, 'e', binding), true);
      assert.equal(await seal.holds(id, 'c', binding), false);
      assert.equal(await seal.holds(id, 'e', other), other === binding);
      assert.equal(await seal.holds(id.slice(0, -1), 'e', binding), false);
    }),
  );
});

test('a named id is the same each time', async () => {
  assert.equal(await seal.named('c', 'alice', 'python/default'), await seal.named('c', 'alice', 'python/default'));
  assert.notEqual(await seal.named('c', 'alice', 'python/x'), await seal.named('c', 'bob', 'python/x'));
  assert.equal(await seal.holds(await seal.named('c', 'alice', 'x'), 'c', 'alice'), true);
});

test('what an older key has sealed still opens; another key opens nothing', async () => {
  const before = makeSeal(async () => [old]);
  const stranger = makeSeal(async () => [randomBytes(32)]);
  const text = await before.close('state', 'alice', { step: 1 });
  assert.deepEqual(await seal.open('state', 'alice', text), { step: 1 });
  assert.equal(await stranger.open('state', 'alice', text), undefined);
  assert.equal(await seal.holds(await before.mint('e', 'alice'), 'e', 'alice'), true);
});

test('a value that was changed, or closed for something else, does not open', async () => {
  const text = await seal.close('state', 'alice', { step: 1 });
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: text.length - 1 }), fc.integer({ min: 33, max: 126 }), async (at, code) => {
      const changed = text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1);
      const opened = await seal.open('state', 'alice', changed);
      // The last character of base64 has bits that mean nothing.
      if (opened !== undefined) assert.deepEqual(opened, { step: 1 });
    }),
  );
  for (const [purpose, binding] of [
    ['other', 'alice'],
    ['state', 'bob'],
    ['state', ''],
  ] as const) {
    assert.equal(await seal.open(purpose, binding, text), undefined);
  }
  for (const none of ['', '.', 'x.y', `${text}.z`]) assert.equal(await seal.open('state', 'alice', none), undefined);
});
