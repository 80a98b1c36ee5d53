// One MCP server inside a machine: a process whose stdin and stdout carry messages, a line each. It lives with its Exec
// stream and is not kept: when this program, the node or the channel is lost, the agent ends it, so that none is left over.
// Invariant: whatever it writes, and however fast, what is held of it here is bounded.
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { type InputBody, streamProcess } from '../../engine/process-stream.ts';
import type { McpServerSpec } from '../contract.ts';
import type { Place } from '../machine/guest.ts';
import { makeLines } from './lines.ts';
import { type Message, parseMessage } from './messages.ts';
import { makePace } from './pace.ts';
import { serverProcessId } from './server-process.ts';
import { makeTail, type Tail } from './tail.ts';
import type { Receiver, Wire } from './wire.ts';

export const childBounds = {
  lineBytes: 8_388_608,
  /** Lines that are no messages: banners of careless programs are fine, a flood is not. */
  strayLines: 1_000,
  /** What it has not read yet of its stdin. */
  unreadBytes: 16_777_216,
  stderrBytes: 4_096,
  messages: { burst: 2_000, perSecond: 1_000 },
  bytes: { burst: 33_554_432, perSecond: 8_388_608 },
  endGraceMs: 500,
};
const chunkBytes = 65_536;

export interface ChildDeps {
  clock: Clock;
  log: Logger;
  bounds?: Partial<typeof childBounds>;
}

export interface Child extends Wire {
  /** Of the machine that it is in. */
  machineUid: string;
}

export function startChild(place: Place, name: string, spec: McpServerSpec, deps: ChildDeps): Child {
  const { clock, log } = deps;
  const bounds = { ...childBounds, ...deps.bounds };
  const stop = new AbortController();
  const input = makeInput(bounds.unreadBytes);
  const stderr = makeTail(bounds.stderrBytes);
  const ended = Promise.withResolvers<TvmError>();
  const first = Promise.withResolvers<void>();
  let receiver: Receiver | undefined;
  let over = false;

  async function read(): Promise<string> {
    const messages = makePace(clock, bounds.messages, stop.signal);
    const bytes = makePace(clock, bounds.bytes, stop.signal);
    const lines = makeLines(bounds.lineBytes);
    let stray = 0;
    for await (const event of streamProcess(place.client, startOf(place, name, spec), input.bodies, stop.signal)) {
      if (event.type === 'exited') return exitOf(event);
      if (event.type !== 'output') continue;
      if (event.channel === 'stderr') {
        stderr.push(event.bytes);
        continue;
      }
      await bytes.pass(event.bytes.length);
      for (const line of lines.push(event.bytes)) {
        const message = parseMessage(line);
        if (message) await deliver(message, messages.pass(1));
        else if (line !== '') stray = noteStray(line, stray + 1, bounds.strayLines, stderr);
      }
    }
    throw new TvmError('unavailable', 'its machine is gone');
  }

  async function deliver(message: Message, mayPass: Promise<void>): Promise<void> {
    await mayPass;
    await first.promise;
    if (!over) await receiver?.(message);
  }

  function finish(why: string): void {
    over = true;
    first.resolve();
    input.close();
    const said = stderr.text();
    const hint = said ? `The end of what it wrote: ${said}` : 'It wrote nothing to its stderr.';
    ended.resolve(new TvmError('unavailable', `MCP server ${name} ended: ${why}`, { hint, reason: 'McpServerEnded' }));
    stop.abort();
  }

  async function end(): Promise<void> {
    if (over) return;
    over = true;
    first.resolve();
    input.push({ case: 'end', value: true });
    await Promise.race([clock.sleep(bounds.endGraceMs, stop.signal), ended.promise]);
    stop.abort();
  }

  read().then(finish, (thrown: unknown) => {
    const why = stop.signal.aborted ? 'it was told to' : TvmError.from(thrown).message;
    finish(why);
  });
  log.debug({ server: name, machine: place.uid }, 'MCP server started');

  return {
    machineUid: place.uid,
    ended: ended.promise,
    end: () => void end(),
    receive(next) {
      receiver = next;
      first.resolve();
    },
    send(message) {
      if (over) return;
      const bytes = Buffer.from(`${JSON.stringify(message)}\n`);
      if (!input.hasRoom(bytes.length)) return finish('it does not read what is sent to it');
      for (let at = 0; at < bytes.length; at += chunkBytes) {
        input.push({ case: 'stdin', value: bytes.subarray(at, at + chunkBytes) });
      }
    },
  };
}

function startOf({ uid }: Place, name: string, { command, args = [], env = {}, cwd = '' }: McpServerSpec) {
  const process = { id: serverProcessId(name), argv: [command, ...args], env, cwd, stdin: true };
  return { body: { case: 'start' as const, value: { uid, process } } };
}

function exitOf({ exitCode, signal }: { exitCode: number; signal: string }): string {
  return signal ? `it was ended by ${signal}` : `exit code ${exitCode}`;
}

function noteStray(line: string, count: number, most: number, stderr: Tail): number {
  if (count > most) throw new TvmError('resource_exhausted', `more than ${most} lines of its stdout are no messages`);
  stderr.push(Buffer.from(`${line.slice(0, 200)}\n`));
  return count;
}

interface Input {
  bodies: AsyncIterable<InputBody>;
  hasRoom(bytes: number): boolean;
  push(body: InputBody): void;
  close(): void;
}

/** What is to be sent, until it was taken. */
function makeInput(maxBytes: number): Input {
  const waiting: InputBody[] = [];
  let bytes = 0;
  let closed = false;
  let wake = () => {};
  const sizeOf = (body: InputBody) => (body.case === 'stdin' ? (body.value?.length ?? 0) : 0);

  async function* bodies(): AsyncIterable<InputBody> {
    while (!closed || waiting.length > 0) {
      const body = waiting.shift();
      if (body) {
        bytes -= sizeOf(body);
        yield body;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  }

  return {
    bodies: bodies(),
    hasRoom: (more) => bytes === 0 || bytes + more <= maxBytes,
    push(body) {
      if (closed) return;
      bytes += sizeOf(body);
      waiting.push(body);
      wake();
    },
    close() {
      closed = true;
      wake();
    },
  };
}
