// Any process killed at any time: who waits gets a typed error soon or is served on, what was declared stays or comes back,
// nothing is left behind, and everything works afterwards.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import type { Problem } from '@tvm/api/rest/stream.ts';
import type { PartName } from '@tvm/cli/service/service-file.ts';
import { isRunning, killVmmOfBoot } from './host-facts.ts';
import type { Program } from './program.ts';
import { type Service, startService } from './service.ts';
import { until } from './until.ts';

let service: Service;

before(async () => {
  service = await startService();
  await service.ok(['create', 'demo', '--memory', '128']);
});
afterEach(async () => {
  await service.untilServes();
  await worksAgain();
});
after(async () => {
  await service?.[Symbol.asyncDispose]();
});

const bootIdCode = 'cat /proc/sys/kernel/random/boot_id';
const asJson = (code: string) => ['execute', '--json', '--language', 'bash', '--timeout', '100', code];

async function bootIdOf(name: string): Promise<string> {
  return (await service.ok(['exec', name, '--', 'cat', '/proc/sys/kernel/random/boot_id'])).trim();
}

async function worksAgain(): Promise<void> {
  assert.equal(await service.ok(['execute', 'print(6 * 7)']), '42\n');
  assert.equal((await service.kubectl('get', 'microvms')).code, 0);
}

/** A run that has begun: the machine that it has, and its end as the command tells it. */
interface Begun extends AsyncDisposable {
  program: Program;
  bootId: string;
}

/** Starts a run of its own machine that goes on until it is disturbed. */
async function begin(then = 'sleep 100'): Promise<Begun> {
  const code = `${bootIdCode}; echo; ${then}`;
  const program = service.start(['execute', '--language', 'bash', '--timeout', '100', code], { stdin: 'open' });
  const bootId = await until('the run has begun', () => /^(\S{36})\n\n/.exec(program.stdout())?.[1]);
  return { program, bootId, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}

async function endsWithTypedError({ program, bootId }: Begun, words: RegExp): Promise<void> {
  const { code, stderr } = await program.finished;
  assert.equal(code, 125, stderr);
  assert.match(stderr, words);
  await service.untilGone(bootId);
}

function kill(part: PartName): number {
  const pid = service.pidOf(part);
  process.kill(pid, 'SIGKILL');
  return pid;
}

/** The supervisor has seen the death and has another process in its place. */
async function untilReplaced(part: PartName, pid: number): Promise<void> {
  await until(`${part} runs again`, () => {
    const view = service.state().parts[part];
    return view?.pid !== undefined && view.pid !== pid && view.state === 'running';
  });
  await service.untilServes();
}

test('the VMM of a run is killed: the run ends with the reason', async () => {
  await using run = await begin();
  killVmmOfBoot(service.home, run.bootId);
  await endsWithTypedError(run, /vmm: |VMM|guest agent was lost/i);
});

test('the same as JSON has a code', async () => {
  const marker = crypto.randomUUID();
  await using program = service.start(asJson(`echo ${marker} > /dev/ttyS0; sleep 100`));
  const { pid } = await until('the run has begun', () => service.vmmThatPrinted(marker));
  process.kill(pid, 'SIGKILL');
  const { code, stdout } = await program.finished;
  assert.equal(code, 125);
  const { error } = JSON.parse(stdout) as { error: Problem };
  assert.equal(error.code, 'unavailable');
  assert.match(error.reason ?? '', /^(VmmExited|GuestLost|MachineLost)$/);
});

test('the VMM of a declared machine is killed: it is told, and the machine comes back', async () => {
  const before = await bootIdOf('demo');
  await using program = service.start(['exec', 'demo', '--', 'sleep', '100']);
  await until('the program runs', async () => (await inDemo('ps', '-e', '-o', 'args')).includes('sleep 100'));
  killVmmOfBoot(service.home, before);
  const { code, stderr } = await program.finished;
  assert.equal(code, 125, stderr);
  await until('demo runs again', async () => {
    const { stdout } = await service.vvm(['exec', 'demo', '--', 'cat', '/proc/sys/kernel/random/boot_id']);
    return stdout !== '' && stdout.trim() !== before;
  });
  await until('it is told', async () => {
    const { stdout } = await service.kubectl('get', 'events', '-o', 'jsonpath={.items[*].reason}');
    return /VmmExited|Failed|Restarting/.test(stdout);
  });
});

const inDemo = (...command: string[]) => service.ok(['exec', 'demo', '--', ...command]);

test('flintlock is killed: a run ends with an error, declared machines are not touched', async () => {
  const before = await bootIdOf('demo');
  await using run = await begin();
  await untilReplaced('flintlock', kill('flintlock'));
  await endsWithTypedError(run, /connection to the node|node/);
  assert.equal(await bootIdOf('demo'), before);
});

test('lime-ctrl is killed: a run ends with an error, an exec in a declared machine goes on', async () => {
  const before = await bootIdOf('demo');
  await using run = await begin();
  const script = 'echo begin; for i in 1 2 3 4 5 6 7 8; do sleep 1; echo $i; done; exit 5';
  await using program = service.start(['exec', 'demo', '--', 'sh', '-c', script]);
  await until('the exec has begun', () => program.stdout().startsWith('begin\n1\n'));
  await untilReplaced('lime-ctrl', kill('lime-ctrl'));
  await endsWithTypedError(run, /connection to the server was lost/);
  const { code, stdout, stderr } = await program.finished;
  assert.deepEqual([code, stdout], [5, 'begin\n1\n2\n3\n4\n5\n6\n7\n8\n'], stderr);
  assert.equal(await bootIdOf('demo'), before);
});

test('the API server is killed: a run does not notice, objects are kept', async () => {
  const before = await bootIdOf('demo');
  await using run = await begin('read line; echo $line; exit 3');
  await service.ok(['kubectl', 'create', 'configmap', 'kept', '--from-literal=a=b']);
  await untilReplaced('apiserver', kill('apiserver'));
  run.program.child.stdin?.end('still here\n');
  const { code, stdout } = await run.program.finished;
  assert.equal(code, 3);
  assert.match(stdout, /still here\n$/);
  await service.untilGone(run.bootId);
  assert.equal(await service.ok(['kubectl', 'get', 'configmap', 'kept', '-o', 'jsonpath={.data.a}']), 'b');
  assert.equal(await bootIdOf('demo'), before);
});

test('a machine that is made or deleted while a part is killed ends as it should', async () => {
  for (const part of ['flintlock', 'lime-ctrl', 'apiserver'] as const) {
    await service.ok(['create', `made-${part}`, '--memory', '128', '--no-wait']);
    await untilReplaced(part, kill(part));
    const running = ['wait', `microvm/made-${part}`, '--for=jsonpath={.status.phase}=Running', '--timeout=60s'];
    assert.equal((await service.kubectl(...running)).code, 0, part);
    const bootId = await bootIdOf(`made-${part}`);
    await service.ok(['kubectl', 'delete', 'microvm', `made-${part}`, '--wait=false']);
    await untilReplaced(part, kill(part));
    await until(`made-${part} is gone`, async () => (await service.vvm(['get', `made-${part}`])).code === 1);
    await service.untilGone(bootId);
  }
});

test('the supervisor is killed: its parts end, its machines do not; the next command takes all up again', async () => {
  const before = await bootIdOf('demo');
  await using run = await begin();
  const { pid, parts } = service.state();
  process.kill(pid, 'SIGKILL');
  const { code, stderr } = await run.program.finished;
  assert.equal(code, 125, stderr);
  assert.equal(await service.ok(['execute', 'print(1)']), '1\n');
  await until('its parts have ended', () => Object.values(parts).every(({ pid: old = 0 }) => !isRunning(old)));
  assert.notEqual(service.state().pid, pid);
  await service.untilGone(run.bootId);
  assert.equal(await bootIdOf('demo'), before);
});
