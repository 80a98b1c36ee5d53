// Processes of a local machine: real children, kept and attached to as the agent of a machine does it.
// Invariant: none outlives `endAll`.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { TvmError } from '@tvm/api/errors.ts';
import { type ExecRequest, type ExecResponse, ExecResponseSchema } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { Output, ProcessExited, StartProcess } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import { hostPath } from './local-paths.ts';

const heldBytes = 262_144;

interface Kept {
  id: string;
  argv: string[];
  kept: boolean;
  child: ChildProcessWithoutNullStreams;
  held: Record<'stdout' | 'stderr', { start: number; bytes: Buffer }>;
  exited: { code: number; signal: string; timedOut: boolean } | undefined;
  changed: Set<() => void>;
}

export interface LocalProcesses {
  exec(
    requests: AsyncIterable<ExecRequest>,
    check: (uid: string) => void,
    signal: AbortSignal,
  ): AsyncGenerator<ExecResponse>;
  list(): { id: string; pid: number; argv: string[]; kept: boolean; exited?: ProcessExited }[];
  endAll(): Promise<void>;
}

export function makeLocalProcesses(root: string): LocalProcesses {
  const all = new Map<string, Kept>();

  function begin(request: StartProcess): Kept {
    for (const { path, content, mode } of request.files) {
      mkdirSync(dirname(hostPath(root, path)), { recursive: true });
      writeFileSync(hostPath(root, path), content, { mode: mode || 0o644 });
    }
    if (all.has(request.id)) throw new TvmError('already_exists', `there is a process ${request.id}`);
    const [program = '', ...args] = request.argv.map((word) => rewritten(root, word));
    const cwd = hostPath(root, request.cwd || '/');
    const env = { PATH: process.env.PATH ?? '', HOME: root, ...request.env };
    const child = spawn(program, args, { cwd, env, detached: true });
    const kept: Kept = {
      id: request.id || `p${all.size}`,
      argv: request.argv,
      kept: request.keep,
      child,
      held: { stdout: { start: 0, bytes: Buffer.alloc(0) }, stderr: { start: 0, bytes: Buffer.alloc(0) } },
      exited: undefined,
      changed: new Set(),
    };
    all.set(kept.id, kept);
    follow(kept, request);
    return kept;
  }

  function follow(kept: Kept, request: StartProcess): void {
    const { child } = kept;
    let timedOut = false;
    const timer = setTimeout(
      () => {
        timedOut = true;
        signalGroup(kept, 'SIGKILL');
      },
      request.timeoutMs || 2 ** 31 - 1,
    );
    for (const channel of ['stdout', 'stderr'] as const) {
      child[channel].on('data', (bytes: Buffer) => {
        const held = kept.held[channel];
        const joined = Buffer.concat([held.bytes, bytes]);
        const cut = Math.max(0, joined.length - heldBytes);
        kept.held[channel] = { start: held.start + cut, bytes: joined.subarray(cut) };
        wake(kept);
      });
    }
    child.stdin.on('error', () => {});
    if (!request.stdin) child.stdin.end();
    child.on('error', () => end({ code: 127, signal: '', timedOut: false }));
    child.on('close', (code, signal) => {
      const number = signal ? 128 + constants.signals[signal] : 0;
      end({ code: code ?? number, signal: signal ?? '', timedOut });
    });
    function end(exited: NonNullable<Kept['exited']>): void {
      clearTimeout(timer);
      kept.exited ??= exited;
      wake(kept);
    }
  }

  async function* exec(
    requests: AsyncIterable<ExecRequest>,
    check: (uid: string) => void,
    signal: AbortSignal,
  ): AsyncGenerator<ExecResponse> {
    const messages = requests[Symbol.asyncIterator]();
    const first = ((await messages.next()).value as ExecRequest).body;
    if (first.case !== 'start' && first.case !== 'attach') throw new TvmError('invalid_argument', 'no start');
    check(first.value.uid);
    const request = first.value.process;
    if (!request) throw new TvmError('invalid_argument', 'no process');
    const kept = request.$typeName === 'tvm.guest.v1.StartProcess' ? begin(request) : find(request.id);
    const offsets = 'stdoutOffset' in request ? request : { stdoutOffset: 0n, stderrOffset: 0n };
    void takeInputs(kept, messages);
    try {
      yield* outputs(kept, Number(offsets.stdoutOffset), Number(offsets.stderrOffset), signal);
    } finally {
      if (!kept.kept) signalGroup(kept, 'SIGKILL');
    }
  }

  function find(id: string): Kept {
    const kept = all.get(id);
    if (kept?.kept) return kept;
    throw new TvmError('not_found', `there is no process ${id}`);
  }

  return {
    exec,
    list: () =>
      [...all.values()].map(({ id, child, argv, kept, exited }) => ({
        id,
        pid: child.pid ?? 0,
        argv,
        kept,
        ...(exited && { exited: exited as ProcessExited }),
      })),
    async endAll() {
      for (const kept of all.values()) signalGroup(kept, 'SIGKILL');
      for (const kept of all.values()) while (!kept.exited) await changeOf(kept);
    },
  };
}

async function* outputs(kept: Kept, stdout: number, stderr: number, signal: AbortSignal): AsyncGenerator<ExecResponse> {
  const at = { stdout: clamp(kept.held.stdout, stdout), stderr: clamp(kept.held.stderr, stderr) };
  const { id, child } = kept;
  const from = { stdoutOffset: BigInt(at.stdout), stderrOffset: BigInt(at.stderr) };
  yield response({ case: 'started', value: { id, pid: child.pid ?? 0, ...from } });
  for (;;) {
    const { exited } = kept;
    for (const channel of ['stdout', 'stderr'] as const) {
      const { start, bytes } = kept.held[channel];
      const fresh = bytes.subarray(Math.max(0, at[channel] - start));
      at[channel] = start + bytes.length;
      for (let offset = 0; offset < fresh.length; offset += 65_536) {
        yield response({ case: channel, value: fresh.subarray(offset, offset + 65_536) });
      }
    }
    if (exited) return yield response({ case: 'exited', value: exited as ProcessExited });
    if (signal.aborted) return;
    await changeOf(kept, signal);
  }
}

async function takeInputs(kept: Kept, messages: AsyncIterator<ExecRequest>): Promise<void> {
  try {
    for (let next = await messages.next(); !next.done; next = await messages.next()) {
      const { body } = next.value;
      if (body.case !== 'input') continue;
      const input = body.value.body;
      if (input.case === 'stdin') kept.child.stdin.write(input.value);
      else if (input.case === 'end') kept.child.stdin.end();
      else if (input.case === 'signal') signalGroup(kept, input.value as NodeJS.Signals);
    }
  } catch {
    // The caller has gone.
  }
}

function response(body: { case: string; value: unknown }): ExecResponse {
  return create(ExecResponseSchema, { output: { body: body as Output['body'] } as Output });
}

function clamp({ start, bytes }: { start: number; bytes: Buffer }, offset: number): number {
  return Math.min(Math.max(offset, start), start + bytes.length);
}

function signalGroup({ child, exited }: Kept, name: NodeJS.Signals): void {
  if (exited || child.pid === undefined) return;
  try {
    process.kill(-child.pid, name);
  } catch {
    // It has just ended.
  }
}

function wake({ changed }: Kept): void {
  for (const each of [...changed]) each();
  changed.clear();
}

function changeOf({ changed }: Kept, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    changed.add(resolve);
    signal?.addEventListener('abort', () => resolve(), { once: true });
  });
}

function rewritten(root: string, word: string): string {
  return /^\/(tmp|run|root|project)\b/.test(word) ? hostPath(root, word) : word;
}
