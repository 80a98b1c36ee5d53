// The engine with its pool over a flintlock in memory: which machine a run gets, and that nothing is reused or grows.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { MachineState, TemplateState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { type ExecuteRequest, executeRequest } from '@tvm/api/rest/execute.ts';
import { makeFakeFlintlock } from '../testing/fake-flintlock.ts';
import { eventually, type Harness, startHarness } from '../testing/harness.ts';
import type { RunEvent, StartedMachine } from './engine.ts';

const python = { image: 'tvm/python', cpu: 1, memory: 256, interpreter: 'python' };

interface Ran {
  machine: StartedMachine;
  stdout: string;
}

async function run({ engine }: Harness, request: ExecuteRequest): Promise<Ran> {
  const events: RunEvent[] = [];
  const signal = AbortSignal.timeout(30_000);
  for await (const event of engine.execute(executeRequest.parse(request), { namespace: 'default', signal }))
    events.push(event);
  const started = events.find((event) => event.type === 'started');
  assert.ok(started);
  const output = events.flatMap((event) => (event.type === 'output' ? [event.bytes] : []));
  return { machine: started.machine, stdout: Buffer.concat(output).toString() };
}

const waiting = (harness: Harness) => harness.pool.standing(python).waiting;

test('machines of the pool wait paused; those of one run do not', async () => {
  await using harness = await startHarness({ warm: [python] });
  await eventually(() => waiting(harness));
  const [first] = harness.flintlock.machines.values();
  assert.deepEqual([first?.state, first?.spec?.standby], [MachineState.PAUSED, true]);
  const { machine } = await run(harness, { code: 'print x' });
  assert.deepEqual([machine.id, machine.warm, machine.start], [first?.uid, true, 'warm']);
  harness.flintlock.boot = new Promise(() => {});
  const stop = new AbortController();
  const request = executeRequest.parse({ code: 'print x', image: 'other' });
  const left = harness.engine.execute(request, { namespace: 'default', signal: stop.signal }).next();
  left.catch(() => {});
  await eventually(() => [...harness.flintlock.machines.values()].some(({ spec }) => spec?.image === 'other'));
  const own = [...harness.flintlock.machines.values()].find(({ spec }) => spec?.image === 'other');
  assert.deepEqual([own?.spec?.standby, own?.labels.owner], [false, 'execute']);
  stop.abort();
});

test('how the machine came to be is told', async () => {
  await using harness = await startHarness();
  assert.equal((await run(harness, { code: 'print 1' })).machine.start, 'booted');
  harness.flintlock.templates = true;
  const { start, warm } = (await run(harness, { code: 'print 1', memory: 300 })).machine;
  assert.deepEqual([start, warm], ['restored', false]);
});

test('the waiting interpreter is asked for when language and machine fit', async () => {
  await using harness = await startHarness({ warm: [python] });
  const interpreterIn = async (request: Partial<ExecuteRequest>) =>
    (await run(harness, { code: 'interpreter', ...request })).stdout.trim();
  await eventually(() => waiting(harness));
  assert.equal(await interpreterIn({ language: 'python' }), 'python');
  await eventually(() => waiting(harness));
  const bash = await run(harness, { code: 'interpreter', language: 'bash' });
  assert.deepEqual([bash.stdout.trim(), bash.machine.warm], ['', true], 'bash shares the pool');
  assert.equal(await interpreterIn({ language: 'node' }), 'node');
  assert.equal(await interpreterIn({ language: 'python', image: 'ubuntu:20.04' }), 'python');
  assert.equal(await interpreterIn({ language: 'bash', image: 'ubuntu:20.04', memory: 64 }), '');
  const specs = [...harness.flintlock.machines.values()].map(({ spec }) => spec);
  assert.ok(specs.every((spec) => spec?.image !== 'tvm/python' || spec.interpreter === 'python'));
});

test('a waiting machine without the interpreter is better than none', async () => {
  const plain = { ...python, image: 'ubuntu:20.04', interpreter: '' };
  await using harness = await startHarness({ warm: [plain] });
  await eventually(() => harness.pool.standing(plain).waiting);
  const { machine, stdout } = await run(harness, { code: 'interpreter', language: 'python', image: 'ubuntu:20.04' });
  assert.deepEqual([machine.warm, stdout.trim()], [true, '']);
});

test('a waiting machine that is dead costs another one, not the run', async () => {
  await using harness = await startHarness({ warm: [python] });
  await eventually(() => waiting(harness));
  const [uid = ''] = harness.flintlock.machines.keys();
  harness.flintlock.deaf.add(uid);
  const { machine, stdout } = await run(harness, { code: 'print alive' });
  assert.notEqual(machine.id, uid);
  assert.equal(stdout, 'alive\n');
  await eventually(() => !harness.flintlock.machines.has(uid));
});

test('a burst of 100: each gets a machine of its own, the node is never promised more than it has', async () => {
  await using harness = await startHarness({ warm: [python], maxExecutions: 16, maxQueued: 100 });
  await eventually(() => waiting(harness));
  harness.flintlock.memoryMiB = 2048;
  const results = await Promise.all(Array.from({ length: 100 }, () => run(harness, { code: 'print x' })));
  assert.equal(new Set(results.map(({ machine }) => machine.id)).size, 100);
  assert.ok(results.some(({ machine }) => machine.warm));
  assert.ok(harness.flintlock.mostMiB <= 2048);
  assert.ok(harness.flintlock.mostMaking <= 5, `${harness.flintlock.mostMaking} were being made at once`);
});

test('while a template is being made, machines are booted one at a time', async () => {
  await using harness = await startHarness();
  const template = { image: 'tvm/python', cpus: 1, memoryMib: 256, interpreter: 'python' };
  harness.flintlock.building = [{ ...template, state: TemplateState.BUILDING }];
  await harness.fleet.refresh();
  await Promise.all(Array.from({ length: 8 }, () => run(harness, { code: 'print x' })));
  assert.equal(harness.flintlock.mostMaking, 1);
});

test('no room: a run waits for the end of another; when nothing will end it is told at once', async () => {
  await using harness = await startHarness({ maxExecutions: 4 });
  harness.flintlock.memoryMiB = 300;
  const first = new AbortController();
  const hanging = (async () => {
    const request = executeRequest.parse({ code: 'hang' });
    for await (const _event of harness.engine.execute(request, { namespace: 'default', signal: first.signal }));
  })();
  hanging.catch(() => {});
  await eventually(() => [...harness.flintlock.machines.values()].some(({ used }) => used));
  const waits = run(harness, { code: 'print second' });
  const soon = new Promise<string>((resolve) => setTimeout(resolve, 50, 'waits'));
  assert.equal(await Promise.race([waits, soon]), 'waits');
  first.abort();
  assert.equal((await waits).stdout, 'second\n');
  await eventually(() => !harness.pool.hasMachines() || harness.flintlock.machines.size === 1);
  await harness.flintlock.client.createMachine({
    uid: 'foreign',
    generation: 1n,
    spec: { image: 'i', cpus: 1, memoryMib: 300 - 256 * harness.flintlock.machines.size },
  });
  await assert.rejects(run(harness, { code: 'x', memory: 299 }), (error: TvmError) => {
    assert.ok(error instanceof TvmError);
    assert.deepEqual([error.code, error.reason], ['resource_exhausted', 'NoRoom']);
    return (error.retryAfterSeconds ?? 0) > 0;
  });
});

test('after a restart: what was used is destroyed, what waits is taken over, what is another replica’s stays', async () => {
  const flintlock = makeFakeFlintlock();
  const spec = { image: 'tvm/python', cpus: 1, memoryMib: 256, interpreter: 'python', standby: true };
  const make = (uid: string, labels: Record<string, string>) =>
    flintlock.client.createMachine({ uid, generation: 1n, spec, labels });
  await make('fresh', { owner: 'pool', replica: 'test' });
  await make('used', { owner: 'pool', replica: 'test' });
  await make('once', { owner: 'execute', replica: 'test' });
  await make('theirs', { owner: 'pool', replica: 'other' });
  await make('template', { owner: 'template' });
  flintlock.change('used', { used: true, state: MachineState.RUNNING });
  await using harness = await startHarness({ warm: [python], flintlock });
  await eventually(() => !flintlock.machines.has('used') && !flintlock.machines.has('once'));
  const { machine } = await run(harness, { code: 'print x' });
  assert.equal(machine.id, 'fresh');
  assert.ok(flintlock.machines.has('theirs') && flintlock.machines.has('template'));
});

test('a machine that ran is not handed out again, though its node was away when it ended', async () => {
  await using harness = await startHarness({ warm: [python] });
  await eventually(() => waiting(harness));
  const asked = run(harness, { code: 'print x\nhang' });
  asked.catch(() => {});
  const used = await eventually(() => [...harness.flintlock.machines.values()].find((machine) => machine.used));
  harness.flintlock.goAway();
  await assert.rejects(asked);
  harness.flintlock.restore();
  await eventually(() => harness.fleet.nodes()[0]?.reachable);
  const { machine } = await run(harness, { code: 'print x' });
  assert.notEqual(machine.id, used.uid);
  await eventually(() => !harness.flintlock.machines.has(used.uid));
});

test('1,000 runs leave nothing behind', async () => {
  await using harness = await startHarness({ warm: [python], maxExecutions: 16, maxQueued: 1000 });
  const codes = ['print x', 'exit 3', 'env A'];
  const runSome = async (worker: number) => {
    for (let index = 0; index < 63; index += 1) {
      const memory = index % 20 === 7 ? 64 + worker : 256;
      await run(harness, { code: codes[index % 3] ?? '', memory });
    }
  };
  await Promise.all(Array.from({ length: 16 }, (_, worker) => runSome(worker)));
  harness.flintlock.badImages.set('bad', 'manifest unknown');
  await Promise.all(
    Array.from({ length: 16 }, () => assert.rejects(run(harness, { code: 'x', image: 'bad' }), /manifest unknown/)),
  );
  await eventually(() => harness.flintlock.machines.size <= 24);
  // Some for each of nine shapes: how often asked, how long to make, when used; and for each machine that is there.
  assert.ok(harness.pool.size <= 60, `${harness.pool.size} things are remembered`);
  assert.ok(harness.flintlock.machines.size <= 24);
});
