// Carries out one action of a machine's plan. Invariant: each action may run twice with the result of once.
import { randomBytes } from 'node:crypto';
import { TvmError } from '@tvm/api/errors.ts';
import type { BootFiles, ImageStore, RootImage } from '@tvm/images/contract.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import { connect } from '../guest/connect.ts';
import type { GuestConnection } from '../guest/connection.ts';
import { configure, ping, shutDown } from '../guest/machine.ts';
import type { SnapshotStore } from '../snapshots/snapshot-store.ts';
import type { Driver } from '../vmm/driver.ts';
import { followCommand, startCommand } from './command.ts';
import type { Machine } from './machine.ts';
import type { Action } from './plan.ts';
import { guestIdOf } from './record.ts';

export type Images = Pick<ImageStore, 'bootFiles' | 'ensure' | 'list' | 'remove'>;

export interface ExecutorDeps {
  driver: Driver;
  images: Images;
  snapshots: SnapshotStore;
  clock: Clock;
  bootTimeoutMs: number;
  /** Removes the machine's record and folder. */
  forget: (machine: Machine) => void;
}

export type Executor = (machine: Machine, action: Action, signal: AbortSignal) => Promise<void>;

const configureTimeoutMs = 10_000;
const entropyBytes = 64;

export function makeExecutor(deps: ExecutorDeps): Executor {
  const { driver, clock } = deps;
  return async (machine, action, signal) => {
    switch (action.do) {
      case 'ensureFiles':
        machine.run.files = await findFiles(deps, machine, signal);
        return;
      case 'startVmm':
        return await startVmm(deps, machine);
      case 'awaitGuest':
        return await awaitGuest(deps, machine, signal);
      case 'configureGuest':
        await giveIdentity(deps, machine, signal);
        machine.env = {};
        machine.run.guest = 'configured';
        return;
      case 'startCommand':
        return await startCommand(machine, await guestOf(deps, machine, signal));
      case 'followCommand':
        return await followCommand(machine, await guestOf(deps, machine, signal));
      case 'pauseVmm':
        return await driver.pause(machine.vm);
      case 'resumeVmm':
        await driver.resume(machine.vm);
        return await giveIdentity(deps, machine, signal);
      case 'shutDownGuest':
        machine.run.shutdownTried = true;
        return await askToShutDown(deps, machine, signal);
      case 'killVmm':
        return await driver.kill(machine.vm);
      case 'removeVmm':
        await driver.destroy(machine.vm);
        return forgetRun(machine);
      case 'forget':
        return deps.forget(machine);
      case 'settle':
        return settle(machine, action.outcome, clock.now());
    }
  };
}

async function findFiles({ images, snapshots, driver }: ExecutorDeps, machine: Machine, signal: AbortSignal) {
  const { spec } = machine.record;
  const say = (message: string) => machine.progress(message);
  const image = await images.ensure(spec.image, say, signal);
  const boot = await images.bootFiles(say, signal);
  await driver.probe(boot);
  const snapshotFolder = spec.snapshot ? await snapshots.open(spec.snapshot, image.digest) : undefined;
  machine.change({ imageDigest: image.digest });
  return { image, boot, snapshotFolder };
}

async function startVmm({ driver }: ExecutorDeps, machine: Machine): Promise<void> {
  const { run, vm, record } = machine;
  if (!run.files) throw new TvmError('internal', `no files to start ${record.uid} from`);
  machine.progress('starting the VMM');
  const spec = vmSpecOf(record.spec, run.files);
  run.vmmStartedAt = performance.now();
  if (run.files.snapshotFolder) await driver.restore(vm, spec, run.files.snapshotFolder);
  else await driver.start(vm, spec);
  run.startedForRun = true;
  watchVmm(driver, machine);
}

function vmSpecOf(spec: { cpus: number; memoryMiB: number }, files: { image: RootImage; boot: BootFiles }) {
  return { cpus: spec.cpus, memoryMiB: spec.memoryMiB, rootDiskPath: files.image.path, boot: files.boot };
}

/** Keeps the console's output and notices the end of the VMM, for as long as the run goes on. */
export function watchVmm(driver: Driver, machine: Machine): void {
  const { run } = machine;
  driver
    .watch(machine.vm, (data) => machine.output.append(data), run.over.signal)
    .then(
      (end) => {
        if (!end || run !== machine.run) return;
        run.end = end;
        machine.interrupt('the VMM ended');
        machine.wake();
      },
      (err) => machine.log.error({ err }, 'watching the VMM failed'),
    );
}

async function awaitGuest(deps: ExecutorDeps, machine: Machine, signal: AbortSignal): Promise<void> {
  machine.progress('waiting for the guest');
  try {
    const pong = await ping(await guestOf(deps, machine, signal, deps.bootTimeoutMs), signal);
    const bootMs = Math.round(performance.now() - machine.run.vmmStartedAt);
    machine.run.guest = 'answered';
    machine.change({ bootMs, bootId: pong.bootId });
  } catch (thrown) {
    const error = TvmError.from(thrown);
    if (error.code !== 'deadline_exceeded') throw error;
    const console = machine.output.tail(1000);
    const message = `the guest has not answered within ${deps.bootTimeoutMs} ms; console: ${console || '(nothing)'}`;
    throw new TvmError('deadline_exceeded', message, { cause: error, reason: 'BootTimeout' });
  }
}

async function giveIdentity(deps: ExecutorDeps, machine: Machine, signal: AbortSignal): Promise<void> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(configureTimeoutMs)]);
  const connection = await guestOf(deps, machine, signal);
  const { record } = machine;
  const identity = {
    hostname: record.spec.hostname || record.id,
    machineId: guestIdOf(record.uid),
    unixTimeNs: BigInt(deps.clock.now()) * 1_000_000n,
    entropy: randomBytes(entropyBytes),
    env: machine.env,
  };
  await configure(connection, identity, deadline);
}

/** The connection to the guest's agent, made when there is none. */
export async function guestOf(
  { driver }: Pick<ExecutorDeps, 'driver'>,
  machine: Machine,
  signal: AbortSignal,
  timeoutMs = configureTimeoutMs,
): Promise<GuestConnection> {
  const { run } = machine;
  if (run.connection) return run.connection;
  machine.connecting ??= dialGuest(driver, machine, timeoutMs, signal).finally(() => {
    machine.connecting = undefined;
  });
  return await machine.connecting;
}

async function dialGuest(driver: Driver, machine: Machine, timeoutMs: number, signal: AbortSignal) {
  const { run } = machine;
  const either = AbortSignal.any([signal, run.over.signal]);
  const connection = await connect(await driver.dial(machine.vm), { timeoutMs, signal: either });
  if (run !== machine.run) connection.close();
  run.connection = connection;
  connection.closed.then((reason) => {
    if (run.connection === connection) run.connection = undefined;
    if (reason && !run.over.signal.aborted) machine.log.debug({ err: reason }, 'the connection to the guest ended');
  });
  return connection;
}

async function askToShutDown(deps: ExecutorDeps, machine: Machine, signal: AbortSignal): Promise<void> {
  const { run, log } = machine;
  const grace = AbortSignal.any([signal, AbortSignal.timeout(Math.max(1, run.graceMs))]);
  try {
    await shutDown(await guestOf(deps, machine, grace), grace);
    await deps.driver.watch(machine.vm, () => {}, grace);
  } catch (err) {
    log.info({ err }, 'the guest did not shut down when asked; it is ended');
  }
}

function forgetRun(machine: Machine): void {
  machine.endRun();
}

function settle(machine: Machine, outcome: Extract<Action, { do: 'settle' }>['outcome'], now: number): void {
  const { state, reason, message, errorCode } = outcome;
  const exitCode = 'exitCode' in outcome ? { exitCode: outcome.exitCode ?? null } : {};
  const started = state === 'running' && machine.record.state === 'creating' ? { startedAtMs: now } : {};
  machine.change({ state, reason, message, errorCode, ...exitCode, ...started });
}
