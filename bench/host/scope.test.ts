import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openScope } from './scope.ts';

test('all that is owned ends in reverse order, the folder last, also when one cannot be ended', async () => {
  const scope = await openScope(tmpdir());
  writeFileSync(join(scope.folder, 'file'), 'content');
  const order: string[] = [];
  const ends = (name: string) => async () => {
    order.push(`${name} ${existsSync(scope.folder)}`);
  };
  scope.own(ends('first'));
  scope.own(() => Promise.reject(new Error('does not end')));
  scope.own(ends('last'));
  await assert.rejects(async () => await scope[Symbol.asyncDispose](), /does not end/);
  assert.deepEqual(order, ['last true', 'first true']);
  assert.equal(existsSync(scope.folder), false);
  await scope[Symbol.asyncDispose]();
});

test('what is lazy is opened once, and not after the end', async () => {
  const scope = await openScope(tmpdir());
  let count = 0;
  const get = scope.lazy(() => Promise.resolve(++count));
  const later = scope.lazy(() => Promise.resolve(1));
  assert.deepEqual([await get(), await get()], [1, 1]);
  await scope[Symbol.asyncDispose]();
  assert.throws(() => later(), /over/);
  assert.throws(() => scope.own(async () => {}), /over/);
});
