import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bucketsOf, quantileOf, samplesIn, since, sumOf } from './prometheus.ts';

const page = (counts: number[]) => `# HELP d x
# TYPE d histogram
d_bucket{le="1",c="a",o="success"} ${counts[0]}
d_bucket{le="10",c="a",o="success"} ${counts[1]}
d_bucket{le="+Inf",c="a",o="success"} ${counts[2]}
d_bucket{le="1",c="a",o="error"} 1
d_bucket{le="10",c="a",o="error"} 1
d_bucket{le="+Inf",c="a",o="error"} 1
d_bucket{le="1",c="b",o="success"} 7
d_sum{c="a"} 3.5
up 1
`;

test('samples are added up by labels', () => {
  const samples = samplesIn(page([1, 2, 3]));
  assert.equal(sumOf(samples, 'up'), 1);
  assert.equal(sumOf(samples, 'd_bucket', { c: 'a', le: '1' }), 2);
  assert.equal(sumOf(samples, 'd_sum', { c: 'a' }), 3.5);
  assert.equal(sumOf(samples, 'none'), 0);
});

test('quantiles of what came between two looks', () => {
  const at = (counts: number[]) => bucketsOf(samplesIn(page(counts)), 'd', { c: 'a' });
  const between = since(at([0, 0, 0]), at([50, 100, 100]));
  assert.deepEqual(
    [...between],
    [
      [1, 50],
      [10, 100],
      [Number.POSITIVE_INFINITY, 100],
    ],
  );
  assert.equal(quantileOf(between, 0.5), 1);
  assert.equal(quantileOf(between, 0.75), 5.5);
  assert.equal(quantileOf(since(at([0, 0, 0]), at([0, 0, 4])), 0.99), 10);
  assert.equal(quantileOf(since(at([1, 1, 1]), at([1, 1, 1])), 0.5), undefined);
});
