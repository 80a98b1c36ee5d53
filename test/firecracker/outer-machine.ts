// A machine with KVM where the host has none: QEMU emulates a processor with SVM, so that Firecracker runs in it. Slow, and real.
// Invariant: the machine and its folder are gone after its dispose.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectSocket, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '@tvm/flintlock/guest/connect.ts';
import type { GuestConnection } from '@tvm/flintlock/guest/connection.ts';
import { startProcess } from '@tvm/flintlock/guest/processes.ts';
import { qemuProgram, tscKhz } from '@tvm/flintlock/vmm/qemu/host.ts';
import type { BootFiles } from '@tvm/images/contract.ts';
import { makeScratchFolder } from '../cluster/scratch-folder.ts';

export interface OuterMachineOptions {
  boot: BootFiles;
  /** Images of its disks, all read-only: its root, then others in order (/dev/vdb, …). */
  disks: string[];
  memoryMiB: number;
}

export interface OuterMachine extends AsyncDisposable {
  /** Runs a shell script in it, passes its output on as it comes, and gives its exit code. */
  run(script: string): Promise<number>;
}

const bootDeadlineMs = 120_000;
const dialEveryMs = 50;

export async function startOuterMachine({ boot, disks, memoryMiB }: OuterMachineOptions): Promise<OuterMachine> {
  await using opened = new AsyncDisposableStack();
  const { path } = opened.use(await makeScratchFolder('firecracker'));
  const kernel = bootArguments(boot, await tscKhz());
  const args = [...machineArguments(memoryMiB), ...disks.flatMap(diskArguments), ...kernel];
  const vmm = spawn('setpriv', ['--pdeathsig', 'KILL', qemuProgram, ...args], {
    cwd: path,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = once(vmm, 'exit');
  opened.defer(async () => {
    vmm.kill('SIGKILL');
    await ended;
  });
  const channel = await dial(vmm, join(path, 'agent.sock'));
  const guest = opened.use(await connect(channel, { timeoutMs: bootDeadlineMs }));
  const kept = opened.move();
  const explained = (cause: unknown) => {
    throw new Error(`the outer machine ended: ${consoleTail(path)}`, { cause });
  };
  return { run: (script) => run(guest, script).catch(explained), [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** One processor: with two, code that one writes while the other runs it goes wrong at times under emulation. */
function machineArguments(memoryMiB: number): string[] {
  return [
    ...['-machine', 'microvm,acpi=on,rtc=on,pic=on,pit=on,isa-serial=on', '-accel', 'tcg,thread=multi'],
    ...['-cpu', 'EPYC,+svm,+npt', '-smp', '1', '-m', `${memoryMiB}M`],
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-serial', 'file:console.log'],
    ...['-device', 'virtio-serial-device', '-chardev', 'socket,id=agent,path=agent.sock,server=on,wait=off'],
    ...['-device', 'virtserialport,chardev=agent,name=tvm.agent', '-device', 'virtio-rng-device'],
  ];
}

function diskArguments(path: string, index: number): string[] {
  const drive = `id=disk${index},file=${path},format=raw,if=none,readonly=on`;
  return ['-drive', drive, '-device', `virtio-blk-device,drive=disk${index}`];
}

/** Without the frequency of its clock the kernel of the outer machine waits for ever for a timer to compare it with. */
function bootArguments({ kernelPath, initrdPath, kernelArgs }: BootFiles, frequency: number | undefined): string[] {
  const clock = frequency === undefined ? [] : [`tsc_early_khz=${frequency}`, 'tsc=reliable'];
  const own = [
    'tvm.root=/dev/vda',
    'tvm.rootfs=squashfs',
    'tvm.channel=virtio-serial',
    'tvm.overlay_percent=50',
    'tvm.pids=4096',
  ];
  const line = [
    'console=ttyS0',
    'quiet',
    'reboot=t',
    'panic=-1',
    'no_timer_check',
    'mitigations=off',
    ...clock,
    ...own,
    ...kernelArgs,
  ];
  return ['-kernel', kernelPath, '-initrd', initrdPath, '-append', line.join(' ')];
}

function consoleTail(folder: string): string {
  return readFileSync(join(folder, 'console.log'), 'utf8').slice(-2000);
}

async function dial(vmm: ChildProcess, path: string): Promise<Socket> {
  while (vmm.exitCode === null) {
    const socket = connectSocket(path);
    // Rejects when the socket has an error.
    if (await once(socket, 'connect').catch(() => undefined)) return socket;
    await sleep(dialEveryMs);
  }
  throw new Error('QEMU did not start the outer machine');
}

async function run(guest: GuestConnection, script: string): Promise<number> {
  const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root' };
  for await (const body of startProcess(guest, { argv: ['bash', '-euc', script], env })) {
    if (body.case === 'stdout' || body.case === 'stderr') process[body.case].write(body.value);
    if (body.case === 'exited') return body.value.code;
  }
  throw new Error('the outer machine ended');
}
