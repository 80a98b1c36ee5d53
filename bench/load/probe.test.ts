import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Probe, ProbeFailure, runProbes } from './probe.ts';

const figure = { id: 'count', name: 'how many', value: 1, unit: '' };
const probe = (id: string, run: Probe['run']): Probe => ({ id, name: id, what: id, run });
const quiet = { say: () => {} };

test('a probe that fails is told with what it has measured, and the next one runs', async () => {
  const results = await runProbes(
    [
      probe('a', () => Promise.reject(new ProbeFailure('some failed', [figure]))),
      probe('b', () => Promise.reject(new Error('no machine'))),
      probe('c', async () => [figure]),
    ],
    { ...quiet, signal: new AbortController().signal },
  );
  assert.deepEqual(
    results.map(({ error, figures }) => [error, figures.length]),
    [
      ['some failed', 1],
      ['no machine', 0],
      [undefined, 1],
    ],
  );
});

test('an interrupt is no failure and ends it', async () => {
  const stop = new AbortController();
  const interrupted = async () => {
    stop.abort();
    throw new Error('killed');
  };
  const results = await runProbes([probe('a', interrupted), probe('b', async () => [figure])], {
    ...quiet,
    signal: stop.signal,
  });
  assert.deepEqual(results, []);
});
