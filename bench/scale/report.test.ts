import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withResults } from '../report/docs.ts';
import { toMarkdown } from './markdown.ts';
import type { Phase, ScaleFigures } from './measure.ts';
import { roundUp, toScaleSvg } from './plot.ts';

const phase = (objects: number): Phase => ({
  ...{ objects, p50Ms: 100, p99Ms: 200, allMs: 1000 },
  effort: {
    ...{ reconciles: 3 * objects, reconcileP50Ms: 2, reconcileP99Ms: undefined, cpuMs: 5 * objects, residentMiB: 150 },
    requests: { 'update microvms/status': 2 * objects, 'update leases': 7 },
  },
});
const step = (count: number) => ({ count, create: phase(count), touch: phase(10), etcdMiB: 1 });
const figures: ScaleFigures = {
  empty: { residentMiB: 120, etcdMiB: 0.5 },
  steps: [step(100), step(1000)],
  steady: { seconds: 60, requests: {}, leaseRequests: 24, cpuPercent: 0.5, reconciles: 0 },
  remove: phase(1000),
};
const results = { takenAt: '2026-01-01T00:00:00Z', command: 'c', nodes: 100, host: 'h', loadBefore: 1, figures };

test('costs are told for each MicroVM, leases apart, what was not measured as a dash', () => {
  const text = toMarkdown(results);
  assert.match(text, /\| MicroVMs declared \| 100 \| 1000 \|/);
  assert.match(text, /\| requests to the API server for each created \| 2\.00 \| 2\.00 \|/);
  assert.match(text, /\| reconcile meanwhile, p99, ms \| – \| – \|/);
  assert.match(text, /\| update microvms\/status \| 2\.00 \| 2\.00 \| 2\.00 \|/);
  assert.match(text, /over 60 s: 0 requests to the API server, 24 of leases, 0 reconciles, 0\.5 %/);
  const document = '<!-- scale: begin (npm run bench:scale -- --write-docs) -->\n<!-- scale: end -->';
  assert.ok(withResults(document, text, 'scale').includes('| MicroVMs declared |'));
});

test('the picture has a line for each figure that was measured', () => {
  const svg = toScaleSvg(figures, 'subtitle');
  assert.equal(svg.match(/<polyline/g)?.length, 5);
  assert.equal(svg.match(/<circle/g)?.length, 8);
  assert.doesNotMatch(svg, /NaN|undefined/);
});

test('scales end at a round number', () => {
  assert.deepEqual([0.3, 7, 10, 11, 149, 501].map(roundUp), [0.5, 10, 10, 20, 200, 1000]);
});
