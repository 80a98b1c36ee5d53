import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choose, readOptions } from './options.ts';

test('defaults, and what overrides them', () => {
  assert.deepEqual([readOptions([]).rounds, readOptions([]).endurance], [10, 200]);
  const { rounds, endurance, burst } = readOptions(['--quick', '--endurance', '7']);
  assert.deepEqual([rounds, endurance, burst], [1, 7, 20]);
});

test('what makes no sense is refused by name', () => {
  for (const bad of ['0', '-1', '1.5', 'x', '']) assert.throws(() => readOptions([`--rounds=${bad}`]), /--rounds/);
  assert.throws(() => readOptions(['--fast']), /--fast/);
  assert.throws(() => readOptions(['everything']));
});

test('--only chooses by a part of the id, and must choose something', () => {
  const all = [{ id: 'warm' }, { id: 'rpc-warm' }, { id: 'runc' }];
  const ids = (...only: string[]) =>
    choose(all, readOptions(only.map((name) => `--only=${name}`)).only).map(({ id }) => id);
  assert.deepEqual(ids(), ['warm', 'rpc-warm', 'runc']);
  assert.deepEqual(ids('warm'), ['warm', 'rpc-warm']);
  assert.deepEqual(ids('runc,rpc'), ['rpc-warm', 'runc']);
  assert.throws(() => ids('docker'), /--only docker: there is warm, rpc-warm, runc/);
});
