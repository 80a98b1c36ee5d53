// The service as a whole ended in the middle of runs: in order, by signals, or killed with everything that it had started.
// What was declared is there again with the next start.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isRunning, isVmm, killAnyway, processesOf } from './host-facts.ts';
import type { Program } from './program.ts';
import { type Service, startService } from './service.ts';
import { until } from './until.ts';

let service: Service;

before(async () => {
  service = await startService();
  await service.ok(['create', 'demo', '--memory', '128']);
});
after(async () => {
  await service?.[Symbol.asyncDispose]();
});

/** A run that goes on until it is disturbed, and the process of its machine. */
async function begin(): Promise<Program> {
  const program = service.start(['execute', '--language', 'bash', '--timeout', '100', 'echo begun; sleep 100']);
  await until('the run has begun', () => program.stdout() === 'begun\n');
  return program;
}

async function bootIdOf(name: string): Promise<string> {
  const { stdout } = await service.vvm(['exec', name, '--', 'cat', '/proc/sys/kernel/random/boot_id']);
  return stdout.trim();
}

async function endsWithTypedError(program: Program): Promise<void> {
  const { code, stderr } = await program.finished;
  assert.equal(code, 125, stderr);
  assert.match(stderr, /^vvm: .*(connection|service|machine|guest)/m);
}

/** demo is declared still, and has booted anew. */
async function demoReturns(before: string): Promise<void> {
  await service.ok(['up']);
  const after = await until('demo runs', async () => (await bootIdOf('demo')) || undefined);
  assert.notEqual(after, before);
  assert.equal(await service.ok(['execute', 'print(6 * 7)']), '42\n');
}

const ours = () => processesOf(service.home).filter(({ command }) => isVmm(command) || command.includes('main.ts'));

test('down in the middle of a run ends it with an error, and every machine', async () => {
  const before = await bootIdOf('demo');
  await using run = await begin();
  await service.ok(['down']);
  await endsWithTypedError(run);
  assert.deepEqual(ours(), []);
  await demoReturns(before);
});

test('SIGTERM ends the service in order', async () => {
  const before = await bootIdOf('demo');
  await using run = await begin();
  const { pid } = service.state();
  process.kill(pid, 'SIGTERM');
  await endsWithTypedError(run);
  await until('the supervisor has ended', () => !isRunning(pid));
  assert.deepEqual(ours(), []);
  await demoReturns(before);
});

test('all processes killed at once: the next start finds nothing that lives, and makes anew what is declared', async () => {
  const before = await bootIdOf('demo');
  await using run = await begin();
  const commands = new Set([run.pid]);
  for (const { pid } of ours().filter(({ pid }) => !commands.has(pid))) killAnyway(pid);
  await endsWithTypedError(run);
  await until('all are dead', () => ours().length === 0);
  await demoReturns(before);
});

test('all but the VMMs killed at once: the next start takes the declared machine over as it is', async () => {
  const before = await bootIdOf('demo');
  await using run = await begin();
  const used = await until('only its machine is used', () => {
    const [first, ...others] = service.vmmsOfRuns();
    return others.length === 0 && first;
  });
  for (const { pid, command } of ours()) {
    if (pid !== run.pid && !isVmm(command)) killAnyway(pid);
  }
  await endsWithTypedError(run);
  assert.ok(isRunning(used.pid));
  await service.ok(['up']);
  assert.equal(await until('demo is taken over', async () => (await bootIdOf('demo')) || undefined), before);
  await until('the machine of the run is gone', () => service.vmms().every(({ pid }) => pid !== used.pid));
});

test('down after the service was killed ends its machines too', async () => {
  const before = await bootIdOf('demo');
  for (const { pid, command } of ours()) if (!isVmm(command)) killAnyway(pid);
  assert.ok(ours().length > 0);
  await service.ok(['down']);
  assert.deepEqual(ours(), []);
  await demoReturns(before);
});

test('killed while it starts, it starts all the same the next time', async () => {
  await service.ok(['down']);
  for (const stage of ['starting apiserver', 'starting lime-ctrl', 'waiting for the node']) {
    await using starting = service.start(['up']);
    const { pid } = await until(`it is ${stage}`, () => {
      const state = service.stateIfAny();
      return state && isRunning(state.pid) && (state.message.includes(stage) || state.state === 'running') && state;
    });
    killAnyway(pid);
    await starting.finished;
  }
  await service.ok(['up']);
  assert.notEqual(await until('demo runs', async () => (await bootIdOf('demo')) || undefined), '');
});
