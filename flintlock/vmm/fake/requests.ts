// What the fake agent answers to each request of the guest protocol.
// Invariant: a kept process outlives its stream, any other is ended with it.
import { TvmError } from '@tvm/api/errors.ts';
import type { Request, StartProcess } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import type { FakeFiles } from './files.ts';
import { dialFakePort, type FakePorts } from './ports.ts';
import { runFakeProcess } from './processes.ts';
import type { AgentStream } from './stream.ts';

/** The memory of the fake guest: what a snapshot would hold. */
export interface GuestMemory {
  bootId: string;
  bootedAtMs: number;
  hostname: string;
  machineId: string;
  env: Record<string, string>;
  files: FakeFiles;
  processes: Map<string, FakeProcess>;
  ports: FakePorts;
  lastPid: number;
  /** By all processes so far. */
  printedBytes: number;
  powerOff: () => void;
}

export interface FakeProcess {
  id: string;
  pid: number;
  start: StartProcess;
  kill: AbortController;
  exited: { code: number; signal: string; timedOut: boolean } | undefined;
  /** Resolves with `exited`. */
  ended: Promise<void>;
  /** All that it printed, kept processes only. */
  kept: { stdout: Buffer; stderr: Buffer };
  attached: AgentStream | undefined;
}

/** Answers one request; throws a TvmError for the stream's end. */
export async function answerRequest(memory: GuestMemory, call: Request['call'], stream: AgentStream): Promise<void> {
  switch (call.case) {
    case 'ping':
      return stream.output({ case: 'pong', value: pong(memory) });
    case 'configure':
      memory.hostname = call.value.hostname || memory.hostname;
      memory.machineId = call.value.machineId || memory.machineId;
      memory.bootId = call.value.bootId || memory.bootId;
      memory.env = { ...call.value.env };
      return stream.output({ case: 'configured', value: { bootId: memory.bootId } });
    case 'prepareInterpreter':
      return stream.output({ case: 'prepared', value: { waits: true } });
    case 'startProcess':
    case 'attachProcess':
    case 'signalProcess':
      return await runFakeProcess(memory, call, stream);
    case 'listProcesses':
      return stream.output({ case: 'processes', value: { processes: listProcesses(memory) } });
    case 'dialPort':
      return await dialFakePort(memory.ports, call.value.port, stream);
    case 'shutdown':
      stream.end();
      return memory.powerOff();
    case 'getUsage':
      return stream.output({
        case: 'usage',
        value: { memoryTotalBytes: 1n << 27n, memoryAvailableBytes: 1n << 26n, processCount: memory.processes.size },
      });
    default:
      return await answerFiles(memory, call, stream);
  }
}

async function answerFiles(memory: GuestMemory, call: Request['call'], stream: AgentStream): Promise<void> {
  const { files } = memory;
  switch (call.case) {
    case 'readFile': {
      const { path, offset, limit } = call.value;
      const content = files.read(path);
      stream.output({ case: 'file', value: files.stat(path) });
      const end = limit === 0n ? content.length : Number(offset + limit);
      return await stream.chunks('chunk', content.subarray(Number(offset), end));
    }
    case 'writeFile': {
      const parts: Uint8Array[] = call.value.append ? [files.read(call.value.path)] : [];
      for (let input = await stream.input(); input.case === 'chunk'; input = await stream.input()) {
        parts.push(input.value);
      }
      const { path, mode, makeParents } = call.value;
      return stream.output({ case: 'file', value: files.write(path, Buffer.concat(parts), mode, makeParents) });
    }
    case 'statFile':
      return stream.output({ case: 'file', value: files.stat(call.value.path) });
    case 'listFiles':
      for (const value of files.list(call.value.path, call.value.depth)) stream.output({ case: 'file', value });
      return;
    case 'makeDirectory': {
      const { path, mode, parents } = call.value;
      return stream.output({ case: 'file', value: files.makeDirectory(path, mode, parents) });
    }
    case 'moveFile': {
      const { from, to, overwrite } = call.value;
      return stream.output({ case: 'file', value: files.move(from, to, overwrite) });
    }
    case 'removeFile':
      return files.remove(call.value.path, call.value.recursive);
    default:
      throw new TvmError('unimplemented', `the fake guest does not answer ${call.case ?? 'an empty request'}`);
  }
}

function pong(memory: GuestMemory) {
  return {
    agentVersion: 'fake',
    bootId: memory.bootId,
    kernel: 'fake',
    uptimeMs: BigInt(Date.now() - memory.bootedAtMs),
  };
}

function listProcesses(memory: GuestMemory) {
  return [...memory.processes.values()].map(({ id, pid, start, exited }) => {
    const process = { id, pid, argv: start.argv, kept: start.keep };
    return exited ? { ...process, exited } : process;
  });
}
