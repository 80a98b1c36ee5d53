// A driver whose VMs live in another process (host-server.ts). Invariant: like every driver it keeps nothing itself.
import { connect, type Socket } from 'node:net';
import { TvmError } from '@tvm/api/errors.ts';
import type { Driver, Vm, VmEnd, VmStatus, VmUsage } from '../vmm/driver.ts';
import { firstLine, type HostAnswer, type HostCall, newsOf } from './host-server.ts';

/** `onStep` is called before each change of the host, and after it. */
export function makeHostDriver(path: string, onStep: () => void): Driver {
  const open = async (call: HostCall): Promise<{ socket: Socket; result: unknown }> => {
    const socket = connect(path);
    socket.on('error', () => undefined);
    socket.write(`${JSON.stringify(call)}\n`);
    const answer = JSON.parse(await firstLine(socket)) as HostAnswer;
    if ('result' in answer) return { socket, result: answer.result };
    const { code, message, reason } = answer.error;
    throw new TvmError(code, message, reason === undefined ? {} : { reason });
  };
  const ask = async (call: HostCall): Promise<unknown> => (await open(call)).result;
  const change = async (call: HostCall): Promise<void> => {
    onStep();
    await ask(call);
    onStep();
  };
  const acceleration = { accelerator: 'none', reason: 'fake machines execute nothing' } as const;
  return {
    name: 'fake',
    probe: async () => acceleration,
    acceleration: () => acceleration,
    fingerprint: () => 'fake',
    checkFolder: () => undefined,
    start: (vm, spec) => change({ do: 'start', vm, spec }),
    restore: (vm, spec, folder) => change({ do: 'restore', vm, spec, folder }),
    snapshot: (vm, folder) => change({ do: 'snapshot', vm, folder }),
    pause: (vm) => change({ do: 'pause', vm }),
    resume: (vm) => change({ do: 'resume', vm }),
    kill: (vm) => change({ do: 'kill', vm }),
    destroy: (vm) => change({ do: 'destroy', vm }),
    dial: async (vm) => (await open({ do: 'dial', vm })).socket,
    inspect: async (vm) => (await ask({ do: 'inspect', vm })) as VmStatus,
    usage: async (vm) => (await ask({ do: 'usage', vm })) as VmUsage,
    sweep: async (machinesFolder, keep) => (await ask({ do: 'sweep', machinesFolder, keep: [...keep] })) as string[],
    watch: async (vm, onConsole, signal) => await watch(open, vm, onConsole, signal),
  };
}

async function watch(
  open: (call: HostCall) => Promise<{ socket: Socket }>,
  vm: Vm,
  onConsole: (data: Uint8Array) => void,
  signal: AbortSignal,
): Promise<VmEnd | undefined> {
  const { socket } = await open({ do: 'watch', vm });
  const stop = () => socket.destroy();
  signal.addEventListener('abort', stop);
  try {
    for await (const news of newsOf(socket)) {
      if ('end' in news) return news.end ?? undefined;
      onConsole(Buffer.from(news.console, 'base64'));
    }
    return undefined;
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}
