// The fake VMs of one test behind a Unix socket, so that they outlive the flintlock that started them, as processes do.
// One connection a call: a line with the call, a line with the answer; after `dial` it is the channel, after `watch` it tells.
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { TvmError } from '@tvm/api/errors.ts';
import type { Driver, Vm, VmEnd, VmSpec } from '../vmm/driver.ts';

export type HostCall =
  | { do: 'start'; vm: Vm; spec: VmSpec }
  | { do: 'restore'; vm: Vm; spec: VmSpec; folder: string }
  | { do: 'snapshot'; vm: Vm; folder: string }
  | { do: 'pause' | 'resume' | 'kill' | 'destroy' | 'inspect' | 'usage' | 'dial' | 'watch'; vm: Vm }
  | { do: 'sweep'; machinesFolder: string; keep: string[] };

export type HostAnswer =
  | { result: unknown }
  | { error: { code: TvmError['code']; message: string; reason: string | undefined } };
export type HostNews = { console: string } | { end: VmEnd | null };

export async function serveHost(driver: Driver, path: string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    // Its caller was killed while it asked.
    takeCall(driver, socket).catch(() => socket.destroy());
  });
  server.listen(path);
  await once(server, 'listening');
  return server;
}

async function takeCall(driver: Driver, socket: Socket): Promise<void> {
  const call = JSON.parse(await firstLine(socket)) as HostCall;
  try {
    const result = await carryOut(driver, call);
    const answer = { result: call.do === 'dial' ? null : (result ?? null) };
    socket.write(`${JSON.stringify(answer satisfies HostAnswer)}\n`);
    if (call.do === 'dial') return await join(socket, result as Awaited<ReturnType<Driver['dial']>>);
    if (call.do === 'watch') await tell(driver, call.vm, socket);
    socket.end();
  } catch (thrown) {
    const { code, message, reason } = TvmError.from(thrown);
    socket.end(`${JSON.stringify({ error: { code, message, reason } } satisfies HostAnswer)}\n`);
  }
}

async function carryOut(driver: Driver, call: HostCall): Promise<unknown> {
  switch (call.do) {
    case 'start':
      return await driver.start(call.vm, call.spec);
    case 'restore':
      return await driver.restore(call.vm, call.spec, call.folder);
    case 'snapshot':
      return await driver.snapshot(call.vm, call.folder);
    case 'sweep':
      return await driver.sweep(call.machinesFolder, new Set(call.keep));
    case 'dial':
      return await driver.dial(call.vm, new AbortController().signal);
    case 'watch':
      return undefined;
    default:
      return await driver[call.do](call.vm);
  }
}

async function join(socket: Socket, channel: Awaited<ReturnType<Driver['dial']>>): Promise<void> {
  socket.on('close', () => channel.destroy());
  channel.on('error', () => undefined).on('close', () => socket.destroy());
  socket.pipe(channel).pipe(socket);
}

async function tell(driver: Driver, vm: Vm, socket: Socket): Promise<void> {
  const gone = new AbortController();
  socket.on('close', () => gone.abort());
  const say = (news: HostNews) => socket.write(`${JSON.stringify(news)}\n`);
  const end = await driver.watch(vm, (data) => say({ console: Buffer.from(data).toString('base64') }), gone.signal);
  if (!gone.signal.aborted) say({ end: end ?? null });
}

/** Leaves what follows the line to whoever reads next. */
export function firstLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let seen = Buffer.alloc(0);
    const onReadable = () => {
      for (let data = socket.read(); data !== null; data = socket.read()) {
        seen = Buffer.concat([seen, data]);
        const end = seen.indexOf('\n');
        if (end < 0) continue;
        socket.off('readable', onReadable).off('close', onClose);
        socket.unshift(seen.subarray(end + 1));
        return resolve(seen.subarray(0, end).toString());
      }
    };
    const onClose = () => reject(new TvmError('unavailable', 'the fake host closed the connection'));
    socket.on('readable', onReadable).on('close', onClose);
  });
}

/** What is told after `watch`, one by one. */
export async function* newsOf(socket: Socket): AsyncGenerator<HostNews> {
  for await (const line of createInterface({ input: socket })) yield JSON.parse(line) as HostNews;
}
