// What somebody who has taken QEMU over finds: looked at from the host, and tried as its user among its mounts.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeImageStore } from '@tvm/images/store.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { readConfig } from '../config.ts';
import { connect } from '../guest/connect.ts';
import { ping } from '../guest/machine.ts';
import type { Driver, Vm, VmSpec } from '../vmm/driver.ts';
import { makeQemuDriver } from '../vmm/qemu/driver.ts';
import { usersBelow, vmmFolder } from './confinement.ts';
import { whatWorks } from './testing/intruder.ts';

const { cacheDir, kernel, accelerator, confinement } = readConfig();
const log = makeLogger('flintlock', 'warn');
let root: string;
let machines: string;
let driver: Driver;
let spec: VmSpec;
let [booted, clone]: [Vm, Vm] = [
  { id: '', folder: '' },
  { id: '', folder: '' },
];
let snapshot: string;

const bootTimeoutMs = 120_000;

before(async () => {
  const images = makeImageStore({ cacheDir, log, kernel });
  const { path } = await images.ensure('tvm/python', () => {});
  spec = { cpus: 1, memoryMiB: 256, rootDiskPath: path, boot: await images.bootFiles(() => {}) };
  root = await mkdtemp(join(tmpdir(), 'tvm-isolation-'));
  machines = join(root, 'machines');
  snapshot = join(root, 'snapshot');
  mkdirSync(snapshot, { mode: 0o700 });
  const settings = { ...confinement, mode: 'require' } as const;
  driver = await makeQemuDriver({ stateFolder: root, accelerator, confinement: settings, log });
  booted = { id: 'booted', folder: join(machines, 'booted') };
  clone = { id: 'clone', folder: join(machines, 'clone') };
  await driver.start(booted, spec);
  writeFileSync(join(booted.folder, 'machine.json'), '{}');
  {
    // A guest that goes on from the first moments of its boot may not come up.
    const channel = await driver.dial(booted, AbortSignal.timeout(bootTimeoutMs));
    await using guest = await connect(channel, { timeoutMs: bootTimeoutMs });
    await ping(guest);
  }
  await driver.snapshot(booted, snapshot);
  await driver.restore(clone, spec, snapshot);
});

after(async () => {
  await driver?.sweep(machines, new Set());
  await rm(root, { recursive: true, force: true });
});

async function pidOf(vm: Vm): Promise<number> {
  const status = await driver.inspect(vm);
  assert.ok('pid' in status);
  return status.pid;
}

function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function statusOf(pid: number): Record<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, 'utf8').split('\n');
  return Object.fromEntries(lines.map((line) => line.split(':\t').map((part) => part.trim().replaceAll('\t', ' '))));
}

test('each VMM has a user of its own, no capability, and no way to get any', async () => {
  const uids = [];
  for (const vm of [booted, clone]) {
    const { Name, Uid = '', Gid, Groups, NoNewPrivs, Seccomp, ...status } = statusOf(await pidOf(vm));
    assert.match(Name ?? '', /^qemu-system/);
    const uid = Uid.split(' ')[0] ?? '';
    assert.equal(Uid, Array(4).fill(uid).join(' '));
    assert.equal(Gid, Uid);
    assert.equal(Groups, '');
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      assert.equal(status[set], '0'.repeat(16), set);
    assert.deepEqual({ NoNewPrivs, Seccomp }, { NoNewPrivs: '1', Seccomp: '2' });
    uids.push(Number(uid));
  }
  assert.equal(new Set(uids).size, 2);
  for (const uid of uids) assert.ok(uid >= confinement.users.first && uid <= confinement.users.last);
  assert.deepEqual(usersBelow(machines), new Set(uids));
});

test('its namespaces and its root are not those of the host, and the network there is empty', async () => {
  const pid = await pidOf(clone);
  for (const kind of ['mnt', 'pid', 'ipc', 'uts', 'net', 'cgroup']) {
    assert.notEqual(readlinkSync(`/proc/${pid}/ns/${kind}`), readlinkSync(`/proc/self/ns/${kind}`), kind);
  }
  assert.equal(statusOf(pid).NSpid?.split(' ').at(-1), '1');
  assert.deepEqual(
    readdirSync(`/proc/${pid}/root`).filter((name) => ['proc', 'sys', 'bin', 'sbin', 'boot', 'var'].includes(name)),
    [],
  );
  const interfaces = readFileSync(`/proc/${pid}/net/dev`, 'utf8').trim().split('\n').slice(2);
  assert.deepEqual(
    interfaces.map((line) => line.split(':')[0]?.trim()),
    ['lo'],
  );
});

test('it holds no descriptor but its own, and of the snapshot only one to read', async () => {
  const expected = /^(\/dev\/null|socket:\[\d+\]|anon_inode:\S+|pipe:\[\d+\])$/;
  for (const vm of [booted, clone]) {
    const pid = await pidOf(vm);
    const files = [
      spec.rootDiskPath,
      join(vm.folder, 'vmm.stderr'),
      join(vm.folder, vmmFolder, 'memory'),
      join(snapshot, 'memory'),
    ];
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      const target = linkAt(`/proc/${pid}/fd/${fd}`);
      // It may have closed that one meanwhile.
      if (target === undefined) continue;
      assert.ok(expected.test(target) || files.includes(target), `${fd}: ${target}`);
      const flags = Number.parseInt(
        /flags:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))?.[1] ?? '',
        8,
      );
      if (target === spec.rootDiskPath || target === join(snapshot, 'memory'))
        assert.equal(flags & 3, 0, `${target} is open for writing`);
    }
  }
});

test('its user cannot reach the host, another machine, what flintlock keeps, or a program to run', async () => {
  const pid = await pidOf(clone);
  const uid = statSync(join(clone.folder, vmmFolder)).gid;
  const own = join(clone.folder, vmmFolder);
  const other = join(booted.folder, vmmFolder);
  assert.deepEqual(
    await whatWorks(pid, uid, [`read ${spec.rootDiskPath}`, `read ${join(snapshot, 'memory')}`, `list ${own}`]),
    [`read ${spec.rootDiskPath}`, `read ${join(snapshot, 'memory')}`, `list ${own}`],
  );
  const attempts = [
    ...[
      '/etc/shadow',
      '/etc/passwd',
      '/proc/1/environ',
      '/dev/kvm',
      '/dev/mem',
      '/dev/vda',
      '/bin/sh',
      '/usr/bin/perl',
    ].map((path) => `read ${path}` as const),
    ...['/root', '/home', '/proc', '/sys', '/sys/fs/cgroup', '/dev', '/tmp', '/run'].map(
      (path) => `list ${path}/..data` as const,
    ),
    `read ${join(other, 'memory')}`,
    `list ${other}`,
    `read ${join(booted.folder, 'vmm.json')}`,
    `list ${booted.folder}`,
    `read ${join(clone.folder, 'vmm.json')}`,
    `write ${join(clone.folder, 'vmm.stderr')}`,
    `read ${join(snapshot, 'state')}`,
    `write ${spec.rootDiskPath}`,
    `write ${join(snapshot, 'memory')}`,
    `remove ${join(snapshot, 'memory')}`,
    `chmod ${join(snapshot, 'memory')}`,
    `create ${join(own, 'more')}`,
    `remove ${join(own, 'qmp.sock')}`,
    `chmod ${own}`,
    `create ${join(clone.folder, 'more')}`,
    'create /more',
    'create /tmp/more',
    'create /usr/lib/more',
    'create /etc/ld.so.preload',
  ] as const;
  assert.deepEqual(await whatWorks(pid, uid, [...attempts]), []);
  // With the host's mounts in sight, so that only the user is in the way.
  const outside = [
    `signal ${await pidOf(booted)}`,
    `signal ${process.pid}`,
    `read ${join(other, 'memory')}`,
    `read /proc/${await pidOf(booted)}/mem`,
    `list ${machines}`,
    `list ${own}`,
  ] as const;
  assert.deepEqual(await whatWorks(process.pid, uid, [...outside]), []);
});

test('what waits outside for a VMM ends with it, and a VMM that has lost it is ended all the same', async () => {
  for (const victim of ['wrapper', 'vmm'] as const) {
    const vm = { id: victim, folder: join(machines, victim) };
    await driver.restore(vm, spec, snapshot);
    const pid = await pidOf(vm);
    const wrapper = Number(statusOf(pid).PPid);
    assert.equal(statusOf(wrapper).Name, 'bwrap');
    process.kill(victim === 'vmm' ? pid : wrapper, 'SIGKILL');
    while (linkAt(`/proc/${wrapper}/cwd`) !== undefined) await sleep(5);
    assert.equal((await driver.inspect(vm)).state, victim === 'vmm' ? 'ended' : 'running');
    await driver.destroy(vm);
    assert.equal(linkAt(`/proc/${pid}/cwd`), undefined);
    assert.equal(existsSync(join(vm.folder, vmmFolder)), false);
  }
});
