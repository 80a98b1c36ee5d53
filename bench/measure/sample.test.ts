import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Scenario, sample, turnsOfRound } from './sample.ts';

function setUp(rounds = 2) {
  const order: string[] = [];
  const failed: string[] = [];
  const stop = new AbortController();
  const scenario = (id: string, rest: Partial<Scenario> = {}): Scenario => ({
    ...{ id, name: id, kind: 'product', what: id },
    run: async () => void order.push(id),
    ...rest,
  });
  const take = (scenarios: Scenario[]) =>
    sample(scenarios, { rounds, signal: stop.signal, onRun: () => {}, onFailure: (name) => void failed.push(name) });
  return { order, failed, scenario, take, stop };
}

test('scenarios run in turn and the first round does not count', async () => {
  const { order, scenario, take } = setUp();
  const rows = await take([scenario('a'), scenario('b')]);
  assert.deepEqual(order, ['a', 'b', 'a', 'b', 'a', 'b']);
  assert.deepEqual(
    rows.map((row) => row.runsMs.length),
    [2, 2],
  );
});

test('runs of a round are spread, and as many as asked for', () => {
  assert.deepEqual(turnsOfRound([4, 1, 2]), [0, 0, 2, 0, 0, 1, 2]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 8 }), (perRound) => {
      const turns = turnsOfRound(perRound);
      assert.deepEqual(
        perRound.map((_, index) => turns.filter((each) => each === index).length),
        perRound,
      );
    }),
  );
});

test('one that fails is told, given up after three failures, and the others run on', async () => {
  const { order, failed, scenario, take } = setUp(5);
  let cleared = 0;
  const broken = scenario('broken', {
    run: async () => Promise.reject(new Error('no machine')),
    after: async () => {
      cleared += 1;
    },
  });
  const [bad, good] = await take([broken, scenario('good')]);
  assert.deepEqual([bad?.failures, bad?.note, bad?.times, cleared], [3, 'no machine', undefined, 3]);
  assert.equal(good?.runsMs.length, 5);
  assert.deepEqual([failed.length, order.length], [3, 6]);
});

test('a set-up that fails leaves the scenario out', async () => {
  const { order, scenario, take } = setUp();
  const setup = async () => Promise.reject(new Error('does not start'));
  const rows = await take([scenario('a', { setup }), scenario('b')]);
  assert.deepEqual([rows[0]?.note, rows[0]?.failures, order.includes('a')], ['does not start', 1, false]);
});

test('what is not there is told, and is no failure', async () => {
  const { failed, scenario, take } = setUp();
  const [row] = await take([scenario('a', { absent: 'not installed' })]);
  assert.deepEqual([row?.note, row?.failures, failed], ['not installed', 0, []]);
});

test('an interrupt ends it after the run that is under way, which is no failure', async () => {
  const { order, scenario, take, stop } = setUp();
  const run = async () => {
    stop.abort();
    throw new Error('killed');
  };
  const rows = await take([scenario('a', { run }), scenario('b')]);
  assert.deepEqual([rows[0]?.failures, order], [0, []]);
});
