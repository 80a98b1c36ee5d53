// QEMU with nothing above it: its command line, a process a machine, a connection to the guest. The floor for the product.
// Invariant: a machine's process and folder are gone after its dispose.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '@tvm/flintlock/guest/connect.ts';
import type { GuestConnection } from '@tvm/flintlock/guest/connection.ts';
import { connected, openQmp, type Qmp } from '@tvm/flintlock/vmm/qemu/qmp.ts';
import type { BootFiles } from '@tvm/images/store.ts';
import type { Scope } from '../host/scope.ts';

export interface BareDeps {
  scope: Scope;
  /** What the product uses too: kernel, agent, root, accelerator. */
  host: () => Promise<BareHost>;
}

export interface BareHost {
  boot: BootFiles;
  rootPath: string;
  accelerator: 'kvm' | 'tcg';
  tscKhz: number | undefined;
}

export interface BareVmm extends AsyncDisposable {
  /** Of this machine, removed with it. */
  folder: string;
  qmp(): Promise<Qmp>;
  /** Connects to the agent as soon as it answers. */
  guest(): Promise<GuestConnection>;
}

const memoryMiB = 256;
const dialEveryMs = 2;
const guestDeadlineMs = 60_000;

/** `memory`: the value of -object; `rest`: what boots it or restores it. */
export async function startVmm(scope: Scope, host: BareHost, memory: string, rest: string[]): Promise<BareVmm> {
  const folder = await mkdtemp(join(scope.folder, 'vm-'));
  scope.own(() => dispose());
  const args = [...machineArguments(host), '-object', `${memory},size=${memoryMiB}M,id=mem`, ...rest];
  const vmm = spawn('qemu-system-x86_64', args, { cwd: folder, detached: true, stdio: ['ignore', 'ignore', 'pipe'] });
  const said = readAll(vmm);
  const ended = once(vmm, 'exit');
  let over = false;
  const dispose = async () => {
    if (over) return;
    over = true;
    vmm.kill('SIGKILL');
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  return {
    folder,
    qmp: () => openQmp(join(folder, 'qmp.sock'), () => vmm.exitCode === null),
    guest: async () => await connect(await dial(vmm, join(folder, 'agent.sock'), said), { timeoutMs: guestDeadlineMs }),
    [Symbol.asyncDispose]: dispose,
  };
}

/** The same devices for a boot and a restore. */
function machineArguments({ boot, rootPath, accelerator }: BareHost): string[] {
  const acpi = boot.needsAcpi ? 'on' : 'off';
  return [
    ...['-machine', `microvm,acpi=${acpi},rtc=on,pic=on,pit=on,isa-serial=on,memory-backend=mem`],
    ...(accelerator === 'kvm' ? ['-accel', 'kvm', '-cpu', 'host'] : ['-accel', 'tcg,thread=multi', '-cpu', 'max']),
    ...['-m', `${memoryMiB}M`, '-smp', '1', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-serial', 'null', '-qmp', 'unix:qmp.sock,server=on,wait=off'],
    ...['-drive', `id=root,file=${rootPath},format=raw,if=none,readonly=on`, '-device', 'virtio-blk-device,drive=root'],
    ...['-device', 'virtio-serial-device', '-chardev', 'socket,id=agent,path=agent.sock,server=on,wait=off'],
    ...['-device', 'virtserialport,chardev=agent,name=tvm.agent'],
  ];
}

export function bootArguments({ boot, accelerator, tscKhz }: BareHost): string[] {
  const clock = tscKhz === undefined ? [] : [`tsc_early_khz=${tscKhz}`, 'tsc=reliable'];
  const kernelArguments = [
    'console=ttyS0 quiet reboot=t panic=-1 rcupdate.rcu_expedited=1 dummy.numdummies=0',
    ...(accelerator === 'kvm' ? [] : [...clock, 'no_timer_check mitigations=off']),
    'tvm.root=/dev/vda tvm.rootfs=squashfs tvm.channel=virtio-serial tvm.overlay_percent=50 tvm.pids=1024',
    ...boot.kernelArgs,
  ];
  return ['-kernel', boot.kernelPath, '-initrd', boot.initrdPath, '-append', kernelArguments.join(' ')];
}

async function dial(vmm: ChildProcess, path: string, said: () => string): Promise<Socket> {
  while (vmm.exitCode === null) {
    try {
      return await connected(path);
    } catch {
      // It does not listen yet.
      await sleep(dialEveryMs);
    }
  }
  throw new Error(`qemu ended with ${vmm.exitCode} before it listened: ${said()}`);
}

function readAll(vmm: ChildProcess): () => string {
  let text = '';
  vmm.stderr?.setEncoding('utf8').on('data', (data: string) => {
    text = `${text}${data}`.slice(-2000);
  });
  return () => text.trim();
}
