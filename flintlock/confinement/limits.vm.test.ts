// Limits that are overrun: machines start from one snapshot, each with other limits.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeImageStore } from '@tvm/images/store.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { readConfig } from '../config.ts';
import { connect } from '../guest/connect.ts';
import { configure, ping } from '../guest/machine.ts';
import { runProcess } from '../guest/processes.ts';
import { chooseDriver } from '../vmm/choose.ts';
import type { Driver, Vm, VmLimits, VmSpec } from '../vmm/driver.ts';

const config = readConfig();
const { cacheDir, kernel } = config;
const log = makeLogger('flintlock', 'warn');
const timeoutMs = 120_000;
const mib = 1024 * 1024;
let root: string;
let driver: Driver;
let spec: VmSpec;
let snapshot: string;
const vmNamed = (id: string): Vm => ({ id, folder: join(root, 'machines', id) });

before(async () => {
  const images = makeImageStore({ cacheDir, log, kernel });
  const { path } = await images.ensure('tvm/python', () => {});
  spec = { cpus: 1, memoryMiB: 256, rootDiskPath: path, boot: await images.bootFiles(() => {}) };
  root = await mkdtemp(join(tmpdir(), 'tvm-limits-'));
  snapshot = join(root, 'snapshot');
  mkdirSync(snapshot, { mode: 0o700 });
  driver = await chooseDriver({ ...config, stateFolder: root, log });
  const vm = vmNamed('original');
  await driver.start(vm, spec);
  {
    await using guest = await reach(vm);
    await ping(guest);
  }
  await driver.snapshot(vm, snapshot);
  await driver.destroy(vm);
});

after(async () => {
  await driver?.sweep(join(root, 'machines'), new Set());
  await rm(root, { recursive: true, force: true });
});

async function reach(vm: Vm) {
  return await connect(await driver.dial(vm, AbortSignal.timeout(timeoutMs)), { timeoutMs });
}

async function restored(id: string, limits: VmLimits): Promise<Vm> {
  const vm = vmNamed(id);
  await driver.restore(vm, { ...spec, limits }, snapshot);
  return vm;
}

async function groupsOf(vm: Vm): Promise<string[]> {
  const status = await driver.inspect(vm);
  assert.ok('pid' in status);
  return readFileSync(`/proc/${status.pid}/cgroup`, 'utf8')
    .trim()
    .split('\n')
    .filter((line) => line.endsWith(`/${vm.id}`));
}

test('processor time stays below its share of the time that passes', async () => {
  const vm = await restored('slow', { cpuPercent: 20 });
  {
    await using guest = await reach(vm);
    const leave = new AbortController();
    const busy = runProcess(
      guest,
      { argv: ['sh', '-c', 'while :; do :; done'] },
      { maxOutputBytes: 10, signal: leave.signal },
    );
    busy.catch(() => undefined);
    await sleep(500);
    const before = await driver.usage(vm);
    const beganMs = performance.now();
    await sleep(3000);
    const usedMs = (await driver.usage(vm)).cpuTimeMs - before.cpuTimeMs;
    assert.ok(usedMs < (performance.now() - beganMs) * 0.4, `took ${usedMs} ms of processor time`);
    leave.abort();
  }
  assert.ok((await groupsOf(vm)).length > 0);
  await driver.destroy(vm);
});

test('a fork bomb, memory without end and reading without end stay inside, and the machine goes on', async () => {
  const vm = await restored('hungry', { diskBytesPerSecond: mib, diskIops: 200 });
  const groups = await groupsOf(vm);
  {
    await using guest = await reach(vm);
    await configure(guest, { hostname: 'hungry', unixTimeNs: BigInt(Date.now()) * 1_000_000n, maxProcesses: 40 });
    const run = async (...argv: string[]) => {
      const { stdout } = await runProcess(guest, { argv }, { maxOutputBytes: 4096 });
      return stdout.toString().trim();
    };
    assert.match(await run('python3', '-c', forkBomb), /^EAGAIN after (\d|[12]\d|3\d)$/);
    const { exited } = await runProcess(guest, { argv: ['python3', '-c', memoryHog] }, { maxOutputBytes: 4096 });
    assert.equal(exited.signal, 'SIGKILL');
    // The kernel may still be taking memory back, and end another program for it.
    for (let tries = 0; (await run('echo', 'calm')) !== 'calm' && tries < 20; tries += 1) await sleep(250);
    const beganMs = performance.now();
    assert.equal(
      await run('sh', '-c', 'dd if=/dev/vda of=/dev/null bs=256k count=16 iflag=direct 2>/dev/null; echo $?'),
      '0',
    );
    assert.ok(performance.now() - beganMs > 1500, '4 MiB at 1 MiB a second came at once');
    await ping(guest);
  }
  assert.ok((await driver.usage(vm)).residentBytes < 600 * mib);
  await driver.destroy(vm);
  for (const group of groups) {
    const [, controllers = '', path = ''] = group.split(':');
    assert.equal(existsSync(join('/sys/fs/cgroup', controllers, path)), false);
  }
});

test('many small reads come no faster than so many a second', async () => {
  const vm = await restored('choppy', { diskIops: 50 });
  {
    await using guest = await reach(vm);
    const beganMs = performance.now();
    const argv = ['dd', 'if=/dev/vda', 'of=/dev/null', 'bs=4k', 'count=200', 'iflag=direct'];
    const { exited } = await runProcess(guest, { argv }, { maxOutputBytes: 4096 });
    assert.equal(exited.code, 0);
    // A second's worth may come at once.
    assert.ok(performance.now() - beganMs > 2000, '200 reads at 50 a second came at once');
    await ping(guest);
  }
  await driver.destroy(vm);
});

const forkBomb = `
import os, errno, signal, time
children = []
try:
    while len(children) < 200:
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        children.append(child)
    print('no end')
except OSError as e:
    print(errno.errorcode[e.errno], 'after', len(children))
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
`;
const memoryHog = 'hoard = []\nwhile True: hoard.append(bytearray(b"x" * 4194304))';
