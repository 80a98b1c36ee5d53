// Boots a kernel, initramfs and root in QEMU's emulation until the agent says on the console that it is ready, for tests.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { BootFiles } from '../contract.ts';

const deadlineMs = 120_000;
// Under emulation the guest's clock runs at the host's rate; left to measure it on a busy host, a kernel may give up.
const tscKilohertz = Math.round(Number(/cpu MHz\s*: ([\d.]+)/.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]) * 1000);
const readyLine = /tvm-agent: ready/;

/** Resolves to the console's lines up to the agent's; rejects with them when it never comes. */
export async function bootToAgent(boot: BootFiles, rootPath: string): Promise<string[]> {
  const vm = spawn('qemu-system-x86_64', qemuArgs(boot, rootPath), { stdio: ['ignore', 'pipe', 'pipe'] });
  const timer = setTimeout(() => vm.kill('SIGKILL'), deadlineMs);
  const lines: string[] = [];
  vm.stderr.on('data', (chunk: Buffer) => lines.push(chunk.toString()));
  try {
    for await (const line of createInterface({ input: vm.stdout })) {
      lines.push(line);
      if (readyLine.test(line)) return lines;
    }
    throw new Error(`the agent did not come up:\n${lines.slice(-30).join('\n')}`);
  } finally {
    clearTimeout(timer);
    const ended = new Promise((resolve) => (vm.exitCode === null ? vm.once('exit', resolve) : resolve(undefined)));
    vm.kill('SIGKILL');
    await ended;
  }
}

function qemuArgs({ kernelPath, initrdPath, kernelArgs, needsAcpi }: BootFiles, rootPath: string): string[] {
  const machine = `microvm,acpi=${needsAcpi ? 'on' : 'off'},rtc=on,pic=on,pit=on,isa-serial=on`;
  const clock = `tsc_early_khz=${tscKilohertz} tsc=reliable no_timer_check`;
  const common = `console=ttyS0 quiet reboot=t panic=-1 mitigations=off ${clock} tvm.root=/dev/vda tvm.rootfs=squashfs`;
  const commandLine = `${common} tvm.channel=virtio-serial tvm.overlay_percent=50 tvm.pids=1024 ${kernelArgs.join(' ')}`;
  return [
    ...['-M', machine, '-accel', 'tcg,thread=multi', '-cpu', 'max', '-m', '256'],
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-serial', 'stdio'],
    ...['-kernel', kernelPath, '-initrd', initrdPath, '-append', commandLine],
    ...['-drive', `file=${rootPath},format=raw,readonly=on,if=none,id=root`, '-device', 'virtio-blk-device,drive=root'],
    ...['-device', 'virtio-serial-device', '-chardev', 'null,id=agent'],
    ...['-device', 'virtserialport,chardev=agent,name=tvm.agent'],
  ];
}
