import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { TvmError } from '@tvm/api/errors.ts';
import { makeSharedWork, type Work } from './shared-work.ts';

const ignore = () => {};

function gate() {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let runs = 0;
  let signal: AbortSignal | undefined;
  let say: (message: string) => void = ignore;
  const work: Work<string> = (onProgress, stop) => {
    runs += 1;
    signal = stop;
    say = onProgress;
    return promise;
  };
  return { work, resolve, reject, runs: () => runs, aborted: () => signal?.aborted, say: (text: string) => say(text) };
}

it('runs once for callers at the same time, and all hear the progress', async () => {
  const shared = makeSharedWork<string>();
  const { work, resolve, runs, say } = gate();
  const heard: string[] = [];
  const first = shared('k', (text) => heard.push(`1 ${text}`), undefined, work);
  say('begun');
  const second = shared('k', (text) => heard.push(`2 ${text}`), undefined, work);
  say('more');
  resolve('done');
  assert.deepEqual(await Promise.all([first, second]), ['done', 'done']);
  assert.equal(runs(), 1);
  assert.deepEqual(heard, ['1 begun', '2 begun', '1 more', '2 more']);
});

it('goes on while one caller is left, and is canceled with the last', async () => {
  const shared = makeSharedWork<string>();
  const { work, aborted, reject } = gate();
  const [one, two] = [new AbortController(), new AbortController()];
  const first = shared('k', ignore, one.signal, work);
  const second = shared('k', ignore, two.signal, work);
  one.abort();
  await assert.rejects(first, (error: TvmError) => error.code === 'canceled');
  assert.equal(aborted(), false);
  two.abort();
  await assert.rejects(second, (error: TvmError) => error.code === 'canceled');
  assert.equal(aborted(), true);
  reject(new Error('nobody hears this'));
});

it('starts anew after a failure, and after a run that was given up', async () => {
  const shared = makeSharedWork<string>();
  await assert.rejects(
    shared('k', ignore, undefined, () => Promise.reject(new Error('no'))),
    /no/,
  );
  const stop = new AbortController();
  const given = shared('k', ignore, stop.signal, () => new Promise(() => {}));
  stop.abort();
  await assert.rejects(given);
  assert.equal(await shared('k', ignore, undefined, () => Promise.resolve('yes')), 'yes');
});
