// The floor: QEMU, kernel, root and agent with nothing of the control plane above them.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '@tvm/flintlock/guest/connect.ts';
import { runProcess } from '@tvm/flintlock/guest/processes.ts';
import type { BootFiles } from '@tvm/images/store.ts';
import type { Scenario } from './sample.ts';
import { expectOutput, type Snippet } from './snippet.ts';

export function makeBareQemuScenario(boot: BootFiles, rootPath: string, folder: string, snippet: Snippet): Scenario {
  return {
    name: 'bare QEMU boot',
    what: 'start of QEMU to the output of python3 -c, with kernel, root and agent of the product and nothing else',
    run: async () => {
      const socketPath = join(folder, 'agent.sock');
      const vmm = spawn('qemu-system-x86_64', commandLine(boot, rootPath, socketPath), { stdio: 'ignore' });
      try {
        await using guest = await connect(await dial(vmm, socketPath), { timeoutMs: 60_000 });
        const { stdout } = await runProcess(guest, { argv: ['python3', '-c', snippet.code] }, { maxOutputBytes: 1024 });
        expectOutput('bare QEMU boot', snippet, stdout.toString());
      } finally {
        if (vmm.exitCode === null && vmm.kill('SIGKILL')) await once(vmm, 'exit');
        await rm(socketPath, { force: true });
      }
    },
  };
}

function commandLine(boot: BootFiles, rootPath: string, socketPath: string): string[] {
  const kernelArguments = [
    'console=ttyS0 quiet tsc=reliable no_timer_check reboot=t panic=-1 mitigations=off',
    'tvm.root=/dev/vda tvm.rootfs=squashfs tvm.channel=virtio-serial tvm.overlay_percent=50 tvm.pids=1024',
    ...boot.kernelArgs,
  ].join(' ');
  const acpi = boot.needsAcpi ? 'on' : 'off';
  return [
    ['-M', `microvm,acpi=${acpi},rtc=on,pic=on,pit=on,isa-serial=on`, '-accel', 'tcg,thread=multi', '-cpu', 'max'],
    ['-m', '256', '-smp', '1', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-serial', 'null'],
    ['-kernel', boot.kernelPath, '-initrd', boot.initrdPath, '-append', kernelArguments],
    ['-drive', `id=root,file=${rootPath},format=raw,if=none,readonly=on`, '-device', 'virtio-blk-device,drive=root'],
    ['-device', 'virtio-serial-device', '-chardev', `socket,id=agent,path=${socketPath},server=on,wait=off`],
    ['-device', 'virtserialport,chardev=agent,name=tvm.agent'],
  ].flat();
}

/** Connects as soon as QEMU listens. */
async function dial(vmm: ChildProcess, path: string): Promise<Socket> {
  while (vmm.exitCode === null) {
    const socket = createConnection(path);
    try {
      await once(socket, 'connect');
      return socket;
    } catch {
      await sleep(2);
    }
  }
  throw new Error(`qemu ended with ${vmm.exitCode} before it listened`);
}
