// The execution engine: code in, a machine of its own runs it, output out, machine destroyed.
// Invariants: no write to the API server on this path; a machine that was claimed is destroyed however the run ends; a run
// ends by its timeout even when nobody reads its output.
import { type ErrorCode, TvmError } from '@tvm/api/errors.ts';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { CheckedExecuteRequest, StartKind } from '@tvm/api/rest/execute.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Fleet, PlacedMachine } from '../flintlock/fleet.ts';
import { machineNow } from '../flintlock/machine-now.ts';
import type { Quota } from '../quota/quota.ts';
import type { Admission } from './admission.ts';
import { machineError, waitForBoot } from './boot.ts';
import { isUp } from './inventory.ts';
import { interpreterFor, languageRules } from './languages.ts';
import { obtainMachine } from './obtain.ts';
import type { Pool } from './pool.ts';
import type { InputBody } from './process-stream.ts';
import { runCode } from './run-code.ts';
import { type Shape, shapeOf } from './shape.ts';

/** The guest ends a process in time; a guest that does not is ended this much later. */
const hostGraceMs = 2_000;
/** So many waiting machines may turn out to be dead before a run gives up. */
const maxAttempts = 3;
export const timeoutExitCode = 124;

export type RunEvent =
  | { type: 'progress'; message: string }
  | { type: 'started'; execId: string; machine: StartedMachine }
  | { type: 'output'; channel: 'stdout' | 'stderr'; bytes: Uint8Array }
  | { type: 'exited'; exitCode: number; signal: string; timedOut: boolean; durationMs: number };

export interface StartedMachine {
  id: string;
  image: string;
  bootId: string;
  warm: boolean;
  start: StartKind;
}

export interface ExecuteOptions {
  /** Whose run it is: what fairness and quotas count by. */
  namespace: string;
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
  quota?: Pick<Quota, 'claim'>;
  clock: Clock;
  bootDeadlineMs: number;
  onExecuted?: (result: string, start: StartKind | 'none', durationMs: number) => void;
}

export function makeEngine(deps: EngineDeps): Engine {
  return {
    async *execute(request, options) {
      const beganMs = deps.clock.now();
      const outcome: { result: string; start: StartKind | 'none' } = { result: 'abandoned', start: 'none' };
      try {
        using _share = deps.quota?.claim(options.namespace, request);
        using _place = await deps.admission.enter(options.namespace, options.signal);
        for await (const event of executeAdmitted(deps, request, options, beganMs)) {
          if (event.type === 'started') outcome.start = event.machine.start;
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
  const shape = shapeFor(request, options.namespace);
  deps.pool.noteAsked(shape);
  for (let attempt = 1; ; attempt += 1) {
    const placed = yield* obtainMachine(deps, shape, options.signal);
    const warm = isUp(placed.machine);
    try {
      const start = warm ? ({ kind: 'warm', placed } as const) : yield* waitForStart(deps, placed, options.signal);
      const run = { request, options, beganMs, mayRetry: warm && attempt < maxAttempts };
      if ((yield* runOn(deps, start, run)) === 'ran') return;
    } finally {
      deps.pool.spend(placed.machine.uid);
    }
  }
}

function shapeFor(request: CheckedExecuteRequest, namespace: string): Shape {
  const { language, image = languageRules[language].image, cpu, memory, network, limits, imagePullSecrets } = request;
  return {
    ...{ image, cpu, memory, interpreter: interpreterFor(language, image) },
    ...(network && network.egress !== 'none' && { network }),
    ...(limits && { limits }),
    ...(imagePullSecrets?.length && { pullSecrets: { namespace, names: imagePullSecrets.map(({ name }) => name) } }),
  };
}

interface Start {
  kind: StartKind;
  placed: PlacedMachine;
}

async function* waitForStart(
  deps: EngineDeps,
  { node, machine: { uid, spec } }: PlacedMachine,
  signal: AbortSignal,
): AsyncGenerator<RunEvent, Start> {
  yield { type: 'progress', message: `no machine waits: one is starting from ${spec?.image}` };
  const machine = yield* waitForBoot(deps, uid, signal);
  return { kind: machine.restored ? 'restored' : 'booted', placed: { node, machine } };
}

interface Run {
  request: CheckedExecuteRequest;
  options: ExecuteOptions;
  beganMs: number;
  /** A machine that is dead before anything ran in it is not the end. */
  mayRetry: boolean;
}

/** `neverStarted`: the machine turned out to be dead before anything ran in it, so that another may be tried. */
async function* runOn(
  deps: EngineDeps,
  { kind, placed }: Start,
  { request, options: { inputs, signal }, beganMs, mayRetry }: Run,
): AsyncGenerator<RunEvent, 'ran' | 'neverStarted'> {
  const { uid, bootId, spec } = placed.machine;
  using deadline = hostDeadline(deps, uid, request.timeoutSeconds * 1000);
  let started = false;
  try {
    const stop = AbortSignal.any([signal, deadline.signal]);
    for await (const event of runCode(deps.fleet.client(placed.node), placed.machine, request, inputs, stop)) {
      if (event.type === 'started') {
        started = true;
        deps.pool.noteUse(shapeOf(placed.machine));
        const machine = { id: uid, image: spec?.image ?? '', bootId, warm: kind === 'warm', start: kind };
        yield { type: 'started', execId: event.execId, machine };
      } else if (event.type === 'exited') {
        yield exitEvent(event, deps.clock.now() - beganMs);
        return 'ran';
      } else yield event;
    }
    throw machineError(uid, await machineNow(deps.fleet, placed));
  } catch (thrown) {
    if (deadline.signal.aborted) {
      yield exitEvent({ exitCode: 137, signal: 'SIGKILL', timedOut: true }, deps.clock.now() - beganMs);
      return 'ran';
    }
    const { error, dead } = await explain(deps, placed, thrown, signal);
    if (mayRetry && dead && !started) return 'neverStarted';
    throw error;
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
  const machine = await machineNow(deps.fleet, placed);
  // One that still waits, paused, did not get up: as good as dead, but the node says it better.
  if (machine?.state === MachineState.PAUSED) return { error, dead: true };
  const dead = machine?.state !== MachineState.RUNNING;
  return { error: dead ? machineError(placed.machine.uid, machine) : error, dead };
}

/** Errors that only a living machine gives. */
const codesOfLife = new Set<ErrorCode>(['invalid_argument', 'permission_denied', 'unimplemented', 'already_exists']);
