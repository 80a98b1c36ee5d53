import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readScaleOptions } from './options.ts';

test('defaults, and what overrides them', () => {
  const { counts, nodes } = readScaleOptions([]);
  assert.deepEqual([counts, nodes], [[100, 250, 500, 1000], 100]);
  assert.deepEqual(readScaleOptions(['--counts', '5,10', '--touched', '50']).touched, 5);
});

test('what makes no sense is refused by name', () => {
  for (const bad of ['0', 'x', '', '5,5', '10,5', '1,,2']) {
    assert.throws(() => readScaleOptions([`--counts=${bad}`]), /--counts/, bad);
  }
  assert.throws(() => readScaleOptions(['--fast']), /--fast/);
});
