import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { withResults } from './docs.ts';
import { judge } from './goals.ts';
import { toMarkdown } from './markdown.ts';
import { hasFailed } from './results.ts';
import { stagesOf } from './stages.ts';
import { scaleOf, toSvg } from './svg.ts';
import { results, row } from './testing/sample-results.ts';

const figures = (values: Record<string, number>) =>
  Object.entries(values).map(([id, value]) => ({ id, name: id, value, unit: '' }));
const endurance = (values: Record<string, number>) => ({
  ...{ id: 'endurance', name: '1000 executes', what: '', error: undefined },
  figures: figures({ memory: 1, descriptors: 0, processes: 0, machineFolders: 0, objects: 0, ...values }),
});

test('goals are ratios within the run, and what was not measured is not judged', () => {
  const rows = [row('warm', [10, 10, 40]), row('runc', [20]), row('restored', [13]), row('bare-restore', [10])];
  const reached = judge({ rows, probes: [endurance({})] }).map((goal) => goal.reached);
  assert.deepEqual(reached, [true, false, true, undefined, undefined, undefined, undefined, undefined, true]);
});

test('growth of any kind is told by name', () => {
  const last = judge({ rows: [], probes: [endurance({ objects: 3, memory: 2 })] }).at(-1);
  assert.equal(last?.reached, false);
  assert.match(last?.measured ?? '', /memory \+2\.0 %, objects \+3/);
  assert.equal(judge({ rows: [], probes: [endurance({ memory: 11 })] }).at(-1)?.reached, false);
});

test('stages add up to the whole command', () => {
  const ids = ['guest-run', 'guest-claim', 'rpc-warm', 'warm', 'vvm'];
  const rows = ids.map((id, index) => row(id, [(index + 1) ** 2]));
  const stages = stagesOf(rows);
  assert.deepEqual(
    stages.map(({ ms }) => ms),
    [1, 3, 5, 7, 9],
  );
  assert.deepEqual(stagesOf(rows.slice(1)), []);
});

test('the table tells failures and what is not installed, and an error cannot break it', () => {
  const text = toMarkdown(
    results({
      rows: [
        row('good', [1, 2, 3]),
        row('broken', [], { failures: 3, note: 'first line\nsecond | line' }),
        row('gvisor', [], { note: 'runsc is not installed' }),
      ],
      probes: [{ id: 'burst', name: 'burst', what: 'many', figures: figures({ failed: 2 }), error: '2 of 100 failed' }],
    }),
  );
  assert.match(text, /\| good \| 1\.0 \| 2\.0 \| 3\.0 \| 3\.0 \| 3 \|/);
  assert.match(text, /\*\*3 failed: first line second \\\| line\*\*/);
  assert.match(text, /runsc is not installed/);
  assert.match(text, /\*\*failed: 2 of 100 failed\*\*/);
});

test('a failure of a row or of a probe fails the run, a missing program does not', () => {
  assert.equal(hasFailed(results({ rows: [row('a', [1]), row('b', [], { note: 'not installed' })] })), false);
  assert.equal(hasFailed(results({ rows: [row('a', [1], { failures: 1 })] })), true);
  assert.equal(hasFailed(results({ probes: [{ ...endurance({}), error: 'no machine' }] })), true);
});

test('only the marked place of the document changes, and again', () => {
  const marks = ['<!-- results: begin (npm run bench -- --write-docs) -->', '<!-- results: end -->'];
  const document = `# Title\n\n${marks[0]}\nold\n${marks[1]}\n\nrest\n`;
  const once = withResults(document, 'new');
  assert.equal(once, `# Title\n\n${marks[0]}\n\nnew\n\n${marks[1]}\n\nrest\n`);
  assert.equal(withResults(once, 'new'), once);
  assert.throws(() => withResults('# Title\n', 'new'), /one place/);
  assert.throws(() => withResults(document + document, 'new'), /one place/);
});

test('the picture is well-formed, whatever the names, and has a bar for each row that has times', () => {
  const names = fc.string({ unit: 'grapheme', maxLength: 30 });
  fc.assert(
    fc.property(fc.array(fc.tuple(names, fc.double({ min: 0, max: 1e5, noNaN: true })), { maxLength: 12 }), (list) => {
      const rows = [...list.map(([name, ms]) => row(name, [ms])), row('none', [])];
      const svg = toSvg({ title: '<"a" & b>', subtitle: '', rows });
      assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
      assert.equal(svg.match(/height="16"/g)?.length ?? 0, list.length);
      const texts = [...svg.matchAll(/<(?:text|title)[^>]*>(.*?)<\/(?:text|title)>/gs)].map(([, content]) => content);
      for (const content of texts) assert.doesNotMatch(content ?? '', /<|&(?!(amp|lt|gt|quot);)/);
    }),
  );
});

test('the scale is logarithmic, grows with the times, and holds all of them', () => {
  const times = { minimumMs: 0.4, medianMs: 30, p90Ms: 40, p99Ms: 4000 };
  const { x, ticks } = scaleOf([times]);
  assert.deepEqual(ticks, [0.1, 1, 10, 100, 1000, 10_000]);
  assert.ok(Math.abs(x(100) - x(10) - (x(10) - x(1))) < 0.5);
  assert.ok(x(0.4) < x(30) && x(30) < x(4000));
  assert.ok(x(0) >= x(0.1));
});
