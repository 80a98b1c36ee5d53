// The execution engine: code in, a machine of its own runs it, output out, machine destroyed.
// Invariants: no write to the API server on this path; a machine that was claimed is destroyed however the run ends; a run
// ends by its timeout even when nobody reads its output.
import { randomUUID } from 'node:crypto';
import { type ErrorCode, TvmError } from '@tvm/api/errors.ts';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { CheckedExecuteRequest } from '@tvm/api/rest/execute.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Fleet, PlacedMachine } from '../flintlock/fleet.ts';
import type { Admission } from './admission.ts';
import { machineError, waitForBoot } from './boot.ts';
import { languageRules } from './languages.ts';
import { type Pool, shapeOf } from './pool.ts';
import type { Shape } from './pool-plan.ts';
import { type InputBody, type ProcessEvent, streamProcess } from './process-stream.ts';

/** The guest ends a process in time; a guest that does not is ended this much later. */
const hostGraceMs = 2_000;
const inlineMaxBytes = 65_536;
const chunkBytes = 65_536;
export const timeoutExitCode = 124;

export type RunEvent =
  | { type: 'progress'; message: string }
  | { type: 'started'; execId: string; machine: { id: string; image: string; bootId: string; warm: boolean } }
  | { type: 'output'; channel: 'stdout' | 'stderr'; bytes: Uint8Array }
  | { type: 'exited'; exitCode: number; signal: string; timedOut: boolean; durationMs: number };

export interface ExecuteOptions {
  /** What the process is given besides its code; undefined: no stdin. */
  inputs?: AsyncIterable<InputBody> | undefined;
  signal: AbortSignal;
}

export interface Engine {
  /** Runs the code. The last event is `exited`; failures throw TvmErrors. Leaving the loop ends the run. */
  execute(request: CheckedExecuteRequest, options: ExecuteOptions): AsyncGenerator<RunEvent, void>;
}

export interface EngineDeps {
  fleet: Fleet;
  pool: Pool;
  admission: Admission;
  clock: Clock;
  bootDeadlineMs: number;
  onExecuted?: (result: string, start: 'warm' | 'cold' | 'none', durationMs: number) => void;
}

export function makeEngine(deps: EngineDeps): Engine {
  return {
    async *execute(request, options) {
      const beganMs = deps.clock.now();
      const outcome: { result: string; start: 'warm' | 'cold' | 'none' } = { result: 'abandoned', start: 'none' };
      try {
        using _place = await deps.admission.enter(options.signal);
        for await (const event of executeAdmitted(deps, request, options, beganMs)) {
          if (event.type === 'started') outcome.start = event.machine.warm ? 'warm' : 'cold';
          if (event.type === 'exited') outcome.result = resultOf(event);
          yield event;
        }
      } catch (thrown) {
        const error = TvmError.from(thrown, 'execute');
        outcome.result = error.code;
        throw error;
      } finally {
        deps.onExecuted?.(outcome.result, outcome.start, deps.clock.now() - beganMs);
      }
    },
  };
}

function resultOf({ timedOut, exitCode }: { timedOut: boolean; exitCode: number }): string {
  if (timedOut) return 'timeout';
  return exitCode === 0 ? 'success' : 'nonzero';
}

async function* executeAdmitted(
  deps: EngineDeps,
  request: CheckedExecuteRequest,
  options: ExecuteOptions,
  beganMs: number,
): AsyncGenerator<RunEvent, void> {
  const image = request.image ?? languageRules[request.language].image;
  const shape = { image, cpu: request.cpu, memory: request.memory };
  const claimed = deps.pool.claim(shape);
  if (claimed?.machine.state === MachineState.RUNNING) {
    const attempt = runOn(deps, claimed, true, request, options, beganMs);
    if ((yield* attempt) === 'ran') return;
  }
  const starting = claimed?.machine.state === MachineState.CREATING ? claimed : undefined;
  yield* runCold(deps, shape, starting, request, options, beganMs);
}

/** On a machine that is not up yet: `starting`, or one that is made now. */
async function* runCold(
  deps: EngineDeps,
  shape: Shape,
  starting: PlacedMachine | undefined,
  request: CheckedExecuteRequest,
  options: ExecuteOptions,
  beganMs: number,
): AsyncGenerator<RunEvent, void> {
  yield {
    type: 'progress',
    message: `no machine waits: ${starting ? 'one is starting' : 'starting one'} from ${shape.image}`,
  };
  const { node, machine } = starting ?? (await deps.pool.make(shape));
  try {
    const running = yield* waitForBoot(deps, machine.uid, options.signal);
    yield* runOn(deps, { node, machine: running }, false, request, options, beganMs);
  } finally {
    deps.pool.spend(machine.uid);
  }
}

/** `neverStarted`: a waiting machine turned out to be dead before anything ran in it, so that another may be tried. */
async function* runOn(
  deps: EngineDeps,
  placed: PlacedMachine,
  warm: boolean,
  request: CheckedExecuteRequest,
  { inputs, signal }: ExecuteOptions,
  beganMs: number,
): AsyncGenerator<RunEvent, 'ran' | 'neverStarted'> {
  const { uid, bootId, spec } = placed.machine;
  using deadline = hostDeadline(deps, uid, request.timeoutSeconds * 1000);
  let started = false;
  try {
    const stop = AbortSignal.any([signal, deadline.signal]);
    for await (const event of startProcess(deps, placed, request, inputs, stop)) {
      if (event.type === 'started') {
        started = true;
        deps.pool.noteUse(shapeOf(placed.machine));
        yield { type: 'started', execId: event.execId, machine: { id: uid, image: spec?.image ?? '', bootId, warm } };
      } else if (event.type === 'exited') {
        yield exitEvent(event, deps.clock.now() - beganMs);
        return 'ran';
      } else yield event;
    }
    throw machineError(uid, await machineNow(deps, placed));
  } catch (thrown) {
    if (deadline.signal.aborted) {
      yield exitEvent({ exitCode: 137, signal: 'SIGKILL', timedOut: true }, deps.clock.now() - beganMs);
      return 'ran';
    }
    const { error, dead } = await explain(deps, placed, thrown, signal);
    if (warm && dead && !started) return 'neverStarted';
    throw error;
  } finally {
    deps.pool.spend(uid);
  }
}

function exitEvent(
  { exitCode, signal, timedOut }: { exitCode: number; signal: string; timedOut: boolean },
  durationMs: number,
): RunEvent {
  return { type: 'exited', exitCode: timedOut ? timeoutExitCode : exitCode, signal, timedOut, durationMs };
}

/** Ends the machine when its guest should have ended the run, whether or not anyone reads the output. */
function hostDeadline(
  { clock, pool }: EngineDeps,
  uid: string,
  timeoutMs: number,
): Disposable & { signal: AbortSignal } {
  const fired = new AbortController();
  const disposed = new AbortController();
  void clock.sleep(timeoutMs + hostGraceMs, disposed.signal).then(() => {
    if (disposed.signal.aborted) return;
    fired.abort();
    pool.spend(uid);
  });
  return { signal: fired.signal, [Symbol.dispose]: () => disposed.abort() };
}

async function* startProcess(
  { fleet }: EngineDeps,
  { node, machine: { uid } }: PlacedMachine,
  request: CheckedExecuteRequest,
  inputs: AsyncIterable<InputBody> | undefined,
  signal: AbortSignal,
): AsyncGenerator<ProcessEvent, void> {
  const client = fleet.client(node);
  const { path, interpreter } = languageRules[request.language];
  const content = new TextEncoder().encode(request.code);
  const inline = content.length <= inlineMaxBytes;
  if (!inline) await client.writeFile(fileMessages(uid, path, content), { signal });
  const stdin = inputs ?? (request.stdin === undefined ? undefined : textInput(request.stdin));
  const process = {
    id: randomUUID(),
    argv: [...interpreter, path, ...request.args],
    env: request.env,
    stdin: stdin !== undefined,
    timeoutMs: Math.max(1, Math.round(request.timeoutSeconds * 1000)),
    files: inline ? [{ path, content }] : [],
  };
  yield* streamProcess(client, { body: { case: 'start', value: { uid, process } } }, stdin ?? noInput(), signal);
}

async function* fileMessages(uid: string, path: string, content: Uint8Array) {
  yield { body: { case: 'start' as const, value: { uid, file: { path } } } };
  for (let at = 0; at < content.length; at += chunkBytes) {
    yield { body: { case: 'chunk' as const, value: content.subarray(at, at + chunkBytes) } };
  }
}

async function* textInput(text: string): AsyncIterable<InputBody> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    yield { case: 'stdin', value: bytes.subarray(at, at + chunkBytes) };
  }
  yield { case: 'end', value: true };
}

async function* noInput(): AsyncIterable<InputBody> {}

/** What a broken stream means: the end of its machine, told with the machine's reason, or what the node said. */
async function explain(
  deps: EngineDeps,
  placed: PlacedMachine,
  thrown: unknown,
  signal: AbortSignal,
): Promise<{ error: TvmError; dead: boolean }> {
  if (signal.aborted) return { error: new TvmError('canceled', 'the caller went away'), dead: false };
  const error = TvmError.from(thrown, 'execute');
  if (codesOfLife.has(error.code)) return { error, dead: false };
  const machine = await machineNow(deps, placed);
  const dead = machine?.state !== MachineState.RUNNING;
  return { error: dead ? machineError(placed.machine.uid, machine) : error, dead };
}

/** Errors that only a living machine gives. */
const codesOfLife = new Set<ErrorCode>(['invalid_argument', 'permission_denied', 'unimplemented', 'already_exists']);

async function machineNow({ fleet }: EngineDeps, { node, machine }: PlacedMachine) {
  try {
    return await fleet.client(node).getMachine({ uid: machine.uid }, { timeoutMs: 2_000 });
  } catch (error) {
    if (TvmError.from(error).code === 'not_found') return undefined;
    return fleet.machine(machine.uid)?.machine;
  }
}
