// The real daemon with real VMs, killed in the middle of what it does.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { type Daemon, startDaemon } from './testing/daemon.ts';
import { untilState } from './testing/flintlock-harness.ts';
import { killProcess } from './vmm/process.ts';

const spec = { image: 'tvm/python', cpus: 1, memoryMib: 256 };
let daemon: Daemon;

before(async () => {
  daemon = await startDaemon(spec.image, { TVM_TEMPLATES: 'off' });
});
after(async () => await daemon?.[Symbol.asyncDispose]());

test('a VMM that is killed is noticed at once, with its reason; its machine starts anew', async () => {
  const { flintlock } = daemon;
  await flintlock.createMachine({ uid: 'killed', spec });
  const running = await untilState(flintlock, 'killed', MachineState.RUNNING);
  const [folder = ''] = readdirSync(daemon.machinesFolder);
  const vmm = daemon.vmms().find(({ id }) => id === folder)?.process;
  assert.ok(vmm);
  await killProcess(vmm);
  const failed = await untilState(flintlock, 'killed', MachineState.FAILED);
  assert.match(failed.message, /SIGKILL/);
  await flintlock.startMachine({ uid: 'killed' });
  const again = await untilState(flintlock, 'killed', MachineState.RUNNING);
  assert.notEqual(again.bootId, running.bootId);
  await flintlock.destroyMachine({ uid: 'killed' });
});

test('running VMs survive a killed and a stopped daemon, and their end is noticed by the next one', async () => {
  await daemon.flintlock.createMachine({ uid: 'kept', spec });
  const { bootId } = await untilState(daemon.flintlock, 'kept', MachineState.RUNNING);
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await daemon.end(signal);
    await daemon.start();
    assert.equal((await daemon.flintlock.getMachine({ uid: 'kept' })).bootId, bootId);
    await daemon.flintlock.listProcesses({ uid: 'kept' });
  }
  for (const { process } of daemon.vmms()) await killProcess(process);
  assert.equal((await untilState(daemon.flintlock, 'kept', MachineState.FAILED)).reason, 'VmmExited');
  await daemon.flintlock.destroyMachine({ uid: 'kept' });
});

for (const delayMs of [0, 20, 60, 120, 250, 500, 1000]) {
  test(`killed ${delayMs} ms into making a machine, the daemon leaves nothing that the next one does not clear`, async () => {
    const uid = `half-${delayMs}`;
    await daemon.flintlock.createMachine({ uid, generation: 1n, spec });
    await sleep(delayMs);
    await daemon.end('SIGKILL');
    await daemon.start();
    const { machines } = await daemon.flintlock.listMachines({});
    const up = machines.filter(({ state }) => state === MachineState.RUNNING);
    while ((await daemon.flintlock.listMachines({})).machines.length > up.length) await sleep(10);
    assert.equal(daemon.vmms().length, up.length);
    await daemon.flintlock.destroyMachine({ uid, generation: 1n });
    assert.deepEqual(readdirSync(daemon.machinesFolder), []);
    assert.equal(daemon.vmms().length, 0);
  });
}

test('a daemon that is killed while it destroys leaves nothing either', async () => {
  await daemon.flintlock.createMachine({ uid: 'gone', spec });
  await untilState(daemon.flintlock, 'gone', MachineState.RUNNING);
  daemon.flintlock.destroyMachine({ uid: 'gone' }).catch(() => undefined);
  await sleep(5);
  await daemon.end('SIGKILL');
  await daemon.start();
  await daemon.flintlock.destroyMachine({ uid: 'gone' });
  assert.deepEqual(readdirSync(daemon.machinesFolder), []);
  assert.equal(daemon.vmms().length, 0);
});

test('a gigabyte printed to a client that does not read stays in the guest', async () => {
  const { flintlock } = daemon;
  await flintlock.createMachine({ uid: 'loud', spec });
  await untilState(flintlock, 'loud', MachineState.RUNNING);
  const residentMiB = () => {
    const status = readFileSync(`/proc/${daemon.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  };
  const leave = new AbortController();
  const process_ = { argv: ['head', '-c', String(1024 ** 3), '/dev/zero'] };
  async function* start() {
    yield { body: { case: 'start' as const, value: { uid: 'loud', process: process_ } } };
  }
  const answers = flintlock.exec(start(), { signal: leave.signal })[Symbol.asyncIterator]();
  await answers.next();
  const before = residentMiB();
  await sleep(3000);
  assert.ok(residentMiB() - before < 64, `grew from ${before} to ${residentMiB()} MiB`);
  assert.equal((await flintlock.listProcesses({ uid: 'loud' })).processes.length, 1);
  leave.abort();
  while ((await flintlock.listProcesses({ uid: 'loud' })).processes.length > 0) await sleep(20);
  await flintlock.destroyMachine({ uid: 'loud' });
});

test('clones of a snapshot have identities, clocks and random numbers of their own', async () => {
  const { flintlock } = daemon;
  await flintlock.createMachine({ uid: 'template', spec });
  await untilState(flintlock, 'template', MachineState.RUNNING);
  await flintlock.snapshotMachine({ uid: 'template', name: 'warm' });
  await flintlock.destroyMachine({ uid: 'template' });
  const seen = new Set<string>();
  for (const uid of ['clone-a', 'clone-b']) {
    await flintlock.createMachine({ uid, spec: { snapshot: 'warm', hostname: uid } });
    await untilState(flintlock, uid, MachineState.RUNNING);
    const output = await print(uid, 'hostname; cat /etc/machine-id; head -c 16 /dev/urandom | od -An -tx1; date +%s');
    const [hostname, machineId = '', random = '', seconds] = output.split('\n');
    assert.equal(hostname, uid);
    assert.ok(Math.abs(Number(seconds) - Date.now() / 1000) < 5);
    for (const value of [machineId, random]) {
      assert.ok(!seen.has(value), `${value} was seen in another clone`);
      seen.add(value);
    }
    await flintlock.destroyMachine({ uid });
  }
  await flintlock.deleteSnapshot({ name: 'warm' });
  assert.equal(existsSync(join(daemon.home, 'flintlock/snapshots/warm')), false);
});

async function print(uid: string, script: string): Promise<string> {
  async function* start() {
    yield { body: { case: 'start' as const, value: { uid, process: { argv: ['sh', '-c', script] } } } };
  }
  let text = '';
  for await (const { output } of daemon.flintlock.exec(start())) {
    if (output?.body.case === 'stdout') text += Buffer.from(output.body.value).toString();
  }
  return text;
}
