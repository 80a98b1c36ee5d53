// Processes of the fake guest: start, attach, signal, exit.
import { randomUUID } from 'node:crypto';
import { TvmError } from '@tvm/api/errors.ts';
import type { AttachProcess, Request, StartProcess } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import { listenFake } from './ports.ts';
import { type ProgramIo, runProgram } from './programs.ts';
import type { FakeProcess, GuestMemory } from './requests.ts';
import type { AgentStream } from './stream.ts';

const keptBytes = 256 * 1024;
const killedCode = 137;

export async function runFakeProcess(memory: GuestMemory, call: Request['call'], stream: AgentStream): Promise<void> {
  switch (call.case) {
    case 'startProcess':
      return await startAndFollow(memory, call.value, stream);
    case 'attachProcess':
      return await attach(find(memory, call.value.id), call.value, stream);
    case 'signalProcess':
      return signalProcess(find(memory, call.value.id), call.value.signal);
  }
}

function find(memory: GuestMemory, id: string): FakeProcess {
  const process = memory.processes.get(id);
  if (!process) throw new TvmError('not_found', `no process ${id}`);
  return process;
}

async function startAndFollow(memory: GuestMemory, start: StartProcess, stream: AgentStream): Promise<void> {
  if (start.argv.length === 0) throw new TvmError('invalid_argument', 'argv is empty');
  if (start.id && memory.processes.has(start.id)) throw new TvmError('already_exists', `process ${start.id} exists`);
  for (const file of start.files) memory.files.write(file.path, file.content, file.mode, true);
  const process = begin(memory, start, stream);
  stream.output({ case: 'started', value: { id: process.id, pid: process.pid } });
  pumpInput(process, stream);
  await untilEndOrCancel(process, stream);
}

function begin(memory: GuestMemory, start: StartProcess, stream: AgentStream): FakeProcess {
  const kill = new AbortController();
  const process: FakeProcess = {
    id: start.id || randomUUID(),
    pid: ++memory.lastPid,
    start,
    kill,
    exited: undefined,
    ended: Promise.resolve(),
    kept: { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) },
    attached: stream,
  };
  memory.processes.set(process.id, process);
  const deadline = start.timeoutMs > 0 ? setTimeout(() => kill.abort('timeout'), start.timeoutMs) : undefined;
  const running = Promise.resolve()
    .then(() => runProgram(start.argv, ioOf(memory, process, stream)))
    .catch(() => 1);
  process.ended = running.then((code) => {
    clearTimeout(deadline);
    const killed = kill.signal.aborted;
    const timedOut = kill.signal.reason === 'timeout';
    process.exited = { code: killed ? killedCode : code, signal: killed ? 'SIGKILL' : '', timedOut };
    if (!start.keep) memory.processes.delete(process.id);
  });
  return process;
}

function ioOf(memory: GuestMemory, process: FakeProcess, stream: AgentStream): ProgramIo {
  const print = async (kind: 'stdout' | 'stderr', data: string | Uint8Array) => {
    const bytes = Buffer.from(data as string);
    memory.printedBytes += bytes.length;
    if (process.start.keep) {
      process.kept[kind] = Buffer.concat([process.kept[kind], bytes]).subarray(-keptBytes);
    }
    if (process.attached) await Promise.race([process.attached.chunks(kind, bytes), aborted(process.kill.signal)]);
    // Lets the rest of the host run between the writes of an endless program.
    await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    stdout: (data) => print('stdout', data),
    stderr: (data) => print('stderr', data),
    stdin: async () => {
      if (!process.start.stdin || process.kill.signal.aborted) return undefined;
      const input = await Promise.race([stream.stdin(), aborted(process.kill.signal)]);
      return input ?? undefined;
    },
    env: { ...memory.env, ...process.start.env },
    hostname: () => memory.hostname,
    readFile: (path) => Buffer.from(memory.files.read(path)).toString(),
    listen: (port, server) => listenFake(memory.ports, port, server),
    signal: process.kill.signal,
  };
}

/** Signals act on the process, stdin goes to its queue. */
function pumpInput(process: FakeProcess, stream: AgentStream): void {
  stream.onSignal = (signal) => signalProcess(process, signal);
}

function signalProcess(process: FakeProcess, signal: string): void {
  if (signal !== 'SIGWINCH') process.kill.abort(signal);
}

async function attach(process: FakeProcess, from: AttachProcess, stream: AgentStream): Promise<void> {
  stream.output({
    case: 'started',
    value: { id: process.id, pid: process.pid, stdoutOffset: from.stdoutOffset, stderrOffset: from.stderrOffset },
  });
  process.attached = stream;
  pumpInput(process, stream);
  await stream.chunks('stdout', process.kept.stdout.subarray(Number(from.stdoutOffset)));
  await stream.chunks('stderr', process.kept.stderr.subarray(Number(from.stderrOffset)));
  await untilEndOrCancel(process, stream);
}

async function untilEndOrCancel(process: FakeProcess, stream: AgentStream): Promise<void> {
  await Promise.race([process.ended, aborted(stream.cancelled.signal)]);
  if (stream.open && process.exited) return stream.output({ case: 'exited', value: process.exited });
  if (process.attached === stream) process.attached = undefined;
  if (!process.start.keep) process.kill.abort('cancelled');
}

function aborted(signal: AbortSignal): Promise<undefined> {
  if (signal.aborted) return Promise.resolve(undefined);
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined), { once: true }));
}
