// Carries out one action of a machine's plan. Invariant: each action may run twice with the result of once.
import { randomBytes, randomUUID } from 'node:crypto';
import { type ErrorCode, TvmError } from '@tvm/api/errors.ts';
import type { ImageStore, RootImage } from '@tvm/images/contract.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import { inSpan, type Tracing } from '@tvm/kit/tracing/tracing.ts';
import type { DiskStore } from '../disks/disk-store.ts';
import { connect } from '../guest/connect.ts';
import type { GuestConnection } from '../guest/connection.ts';
import { configure, ping, shutDown } from '../guest/machine.ts';
import type { guestNetwork } from '../network/commands.ts';
import type { Networks } from '../network/networks.ts';
import type { SnapshotStore } from '../snapshots/snapshot-store.ts';
import type { Templates } from '../templates/templates.ts';
import type { Driver, VmSpec } from '../vmm/driver.ts';
import { followCommand, startCommand } from './command.ts';
import { exercise } from './exercise.ts';
import type { Machine, RunFiles } from './machine.ts';
import { connectNetwork, disconnectNetwork, networkOf } from './network.ts';
import { type Action, up } from './plan.ts';
import { guestIdOf, type MachineRecord, type MachineSpec, objectOf } from './record.ts';
import { readSuspendedSpec, removeSuspended, suspendedFolder, writeSuspended } from './suspension.ts';

export type Images = Pick<ImageStore, 'bootFiles' | 'ensure' | 'list' | 'remove'> &
  Partial<Pick<ImageStore, 'declareUses'>>;

export interface ExecutorDeps {
  driver: Driver;
  images: Images;
  snapshots: SnapshotStore;
  templates: Templates;
  disks: DiskStore;
  networks: Networks;
  clock: Clock;
  bootTimeoutMs: number;
  /** Undefined: nothing is traced. */
  tracing?: Tracing | undefined;
  /** Removes the machine's record and folder. */
  forget: (machine: Machine) => void;
}

export type Executor = (machine: Machine, action: Action, signal: AbortSignal) => Promise<void>;

/** A guest that is restored on a node under load is slow to its first words. Shorter than the deadlines of callers, who are told why. */
const configureTimeoutMs = 25_000;
const nudgeMs = 500;
const entropyBytes = 64;
/** As the kernel's command line says. */
const defaultProcesses = 1024;
/** What a guest still does after its start shall be done in the template, not in every machine that starts from it. */
const restMs = 1_500;

export function makeExecutor(deps: ExecutorDeps): Executor {
  const { driver, clock } = deps;
  const carryOut: Executor = async (machine, action, signal) => {
    switch (action.do) {
      case 'ensureFiles':
        machine.run.files = await findFiles(deps, machine, signal);
        return;
      case 'startVmm':
        return await startVmm(deps, machine);
      case 'awaitGuest':
        return await awaitGuest(deps, machine, signal);
      case 'configureGuest':
        await introduce(deps, machine, signal);
        return;
      case 'exercise':
        await exercise(machine.record.spec, await guestOf(deps, machine, signal), signal);
        if (machine.record.spec.template) await clock.sleep(restMs, signal);
        machine.run.exercised = true;
        return;
      case 'startCommand':
        return await startCommand(machine, await guestOf(deps, machine, signal));
      case 'followCommand':
        return await followCommand(machine, await guestOf(deps, machine, signal));
      case 'pauseVmm':
        return await driver.pause(machine.vm);
      case 'resumeVmm':
        await driver.resume(machine.vm);
        await giveIdentity(deps, machine, signal, {});
        return;
      case 'suspend':
        return await suspend(deps, machine, signal);
      case 'revive':
        return await revive(deps, machine, signal);
      case 'shutDownGuest':
        machine.run.shutdownTried = true;
        return await askToShutDown(deps, machine, signal);
      case 'killVmm':
        return await driver.kill(machine.vm);
      case 'removeVmm':
        await driver.destroy(machine.vm);
        await disconnectNetwork(deps, machine);
        return forgetRun(machine);
      case 'forget':
        await disconnectNetwork(deps, machine);
        return deps.forget(machine);
      case 'settle':
        return await settle(deps, machine, action.outcome);
    }
  };
  return async (machine, action, signal) => {
    try {
      await inSpan(deps.tracing, `machine.${action.do}`, () => carryOut(machine, action, signal), {
        attributes: { 'tvm.machine': machine.record.uid },
      });
    } catch (error) {
      if (!signal.aborted) await blameTemplate(deps, machine);
      throw error;
    }
  };
}

/** A machine that does not come up from a template may have a bad one. */
async function blameTemplate({ templates }: ExecutorDeps, { record, run }: Machine): Promise<void> {
  if (record.state === 'creating' && run.files?.template) await templates.blame(run.files.template);
}

async function findFiles(deps: ExecutorDeps, machine: Machine, signal: AbortSignal): Promise<RunFiles> {
  const { images, snapshots, templates, driver } = deps;
  const { spec } = machine.record;
  const say = (message: string) => machine.progress(message);
  // Machines from a template are let to the image each; one from a snapshot continues one that was.
  const access = { credentials: machine.registryCredentials, granted: spec.template || spec.snapshot !== '' };
  const image = await images.ensure(spec.image, say, signal, access);
  machine.registryCredentials = [];
  const boot = await images.bootFiles(say, signal);
  await driver.probe(boot);
  // No template has disks.
  const template = spec.snapshot || spec.template || spec.disks ? undefined : await templates.open(spec, image, boot);
  // What is on its disks is newer than the snapshot once it has run.
  const continues = spec.snapshot !== '' && !deps.disks.areUsed(machine.record);
  const snapshotFolder = continues ? await snapshots.open(spec.snapshot, image.digest) : template?.folder;
  await deps.disks.prepare(machine.record, continues ? snapshotFolder : undefined);
  machine.change({ imageDigest: image.digest });
  return { image, boot, snapshotFolder, template: template?.key };
}

async function startVmm(deps: ExecutorDeps, machine: Machine): Promise<void> {
  const { driver } = deps;
  const { run, vm, record } = machine;
  if (!run.files) throw new TvmError('internal', `no files to start ${record.uid} from`);
  machine.progress('starting the VMM');
  const spec = { ...vmSpecOf(deps, record, run.files), ...(await connectNetwork(deps, machine)) };
  deps.disks.markUsed(record);
  run.vmmStartedAt = performance.now();
  if (!run.files.snapshotFolder) await driver.start(vm, spec);
  else if (!run.files.template) await driver.restore(vm, spec, run.files.snapshotFolder);
  else await restoreOrBoot(deps, machine, spec, { key: run.files.template, folder: run.files.snapshotFolder });
  run.startedForRun = true;
  if (run.files.snapshotFolder) machine.change({ restored: true });
  watchVmm(driver, machine);
}

/** A template that cannot be loaded is only a loss of time. */
async function restoreOrBoot(
  deps: ExecutorDeps,
  machine: Machine,
  spec: VmSpec,
  { key, folder }: { key: string; folder: string },
) {
  const { driver, templates } = deps;
  const { run, vm } = machine;
  if (!run.files) return;
  try {
    await driver.restore(vm, spec, folder);
  } catch (err) {
    machine.log.warn({ err, template: key }, 'a template cannot be loaded; it is made anew');
    await driver.destroy(vm);
    await templates.discard(key);
    run.files = { ...run.files, template: undefined, snapshotFolder: undefined };
    run.vmmStartedAt = performance.now();
    await driver.start(vm, spec);
  }
}

/** But for its network, which is made anew each time. */
function vmSpecOf({ disks }: ExecutorDeps, record: MachineRecord, files: Pick<RunFiles, 'image' | 'boot'>): VmSpec {
  const { cpus, memoryMiB, limits } = record.spec;
  const attached = record.spec.disks && { disks: disks.attachments(record) };
  return { cpus, memoryMiB, rootDiskPath: files.image.path, boot: files.boot, ...attached, ...(limits && { limits }) };
}

async function suspend(deps: ExecutorDeps, machine: Machine, signal: AbortSignal): Promise<void> {
  const { run, vm, record } = machine;
  run.suspendDue = false;
  const files = run.files ?? (await sameFiles(deps, machine, signal));
  await writeSuspended(vm, vmSpecOf(deps, record, files), (folder) => deps.driver.snapshot(vm, folder));
  machine.change({ suspended: true });
}

/** Of a machine that another flintlock started. */
async function sameFiles({ images }: ExecutorDeps, { record }: Machine, signal: AbortSignal) {
  const image = await images.ensure(record.spec.image, () => {}, signal, { granted: true });
  if (image.digest === record.imageDigest) return { image, boot: await images.bootFiles(() => {}, signal) };
  throw new TvmError('failed_precondition', `image ${record.spec.image} is not the one any more that it started from`);
}

/** What keeps a machine from ever going on is told; anything else is tried again, from what is on disk. */
async function revive(deps: ExecutorDeps, machine: Machine, signal: AbortSignal): Promise<void> {
  const { driver } = deps;
  const { vm } = machine;
  try {
    const spec = { ...(await readSuspendedSpec(vm)), ...(await connectNetwork(deps, machine)) };
    await driver.restore(vm, spec, suspendedFolder(vm));
  } catch (thrown) {
    const error = TvmError.from(thrown);
    if (!lossCodes.has(error.code)) throw error;
    const { code: errorCode, message } = error;
    await settle(deps, machine, { state: 'failed', reason: 'ResumeFailed', message, errorCode });
    return;
  }
  await giveIdentity(deps, machine, signal, networkOf(machine.record));
  machine.change({ suspended: false });
  watchVmm(driver, machine);
  await removeSuspended(vm);
  await settle(deps, machine, up('running').outcome);
}

const lossCodes = new Set<ErrorCode>(['failed_precondition', 'data_loss']);

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
    await guestOf(deps, machine, signal, deps.bootTimeoutMs);
    machine.run.guest = 'answered';
    machine.change({ bootMs: Math.round(performance.now() - machine.run.vmmStartedAt) });
  } catch (thrown) {
    const error = TvmError.from(thrown);
    if (error.code !== 'deadline_exceeded') throw error;
    const console = machine.output.tail(1000);
    const message = `the guest has not answered within ${deps.bootTimeoutMs} ms; console: ${console || '(nothing)'}`;
    throw new TvmError('deadline_exceeded', message, { cause: error, reason: 'BootTimeout' });
  }
}

/** The first words to a guest that has come up. One that was restored must not keep what the snapshot made it. */
async function introduce(deps: ExecutorDeps, machine: Machine, signal: AbortSignal): Promise<void> {
  const { snapshotFolder, image } = machine.run.files ?? {};
  const own = snapshotFolder ? { bootId: randomUUID() } : {};
  const defaults = image && defaultsOf(image, machine);
  const disks = disksOf(deps, machine.record);
  const { bootId } = await giveIdentity(deps, machine, signal, {
    ...own,
    ...defaults,
    ...networkOf(machine.record),
    disks,
  });
  machine.env = {};
  machine.run.guest = 'configured';
  machine.change({ bootId });
}

/** What a machine gets at its start alone. */
interface Own {
  bootId?: string;
  env?: Record<string, string>;
  defaultUser?: string;
  defaultCwd?: string;
  disks?: { serial: string; mountPath: string }[];
  network?: typeof guestNetwork;
}

/** What its processes have when nobody says otherwise: as the image says, and over that the machine's own environment. */
function defaultsOf({ config }: RootImage, { env, record, run }: Machine) {
  // One that continues another keeps that one's environment unless it has its own.
  const continues = record.spec.snapshot !== '' && run.files?.snapshotFolder !== undefined;
  const keeps = continues && Object.keys(env).length === 0;
  // Root starts in its home anyway, and others may not be there.
  const defaultCwd = config.workdir === '/root' ? '' : config.workdir;
  return { env: keeps ? {} : { ...config.env, ...env }, defaultUser: config.user, defaultCwd };
}

/** 0: as it is. What a snapshot's machine was limited to is not handed on. */
function maxProcessesOf({ limits, snapshot }: MachineSpec): number {
  return limits?.processes ?? (snapshot ? defaultProcesses : 0);
}

async function giveIdentity(deps: ExecutorDeps, machine: Machine, signal: AbortSignal, own: Own) {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(configureTimeoutMs)]);
  const connection = await guestOf(deps, machine, signal);
  const { record } = machine;
  const identity = {
    hostname: record.spec.hostname || record.id,
    machineId: guestIdOf(record.uid),
    unixTimeNs: BigInt(deps.clock.now()) * 1_000_000n,
    entropy: randomBytes(entropyBytes),
    env: machine.env,
    maxProcesses: maxProcessesOf(record.spec),
    ...own,
  };
  // One restore in some thousands loses the interrupt of the first message under emulation; the next one brings both.
  const nudging = setInterval(() => void ping(connection, deadline).catch(() => undefined), nudgeMs);
  try {
    return await inSpan(deps.tracing, 'guest.configure', () => configure(connection, identity, deadline));
  } finally {
    clearInterval(nudging);
  }
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
  const channel = await driver.dial(machine.vm, AbortSignal.any([either, AbortSignal.timeout(timeoutMs)]));
  const connection = await connect(channel, { timeoutMs, signal: either, object: objectOf(machine.record.uid) });
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

/** What its agent is to mount, after a boot as after a restore. */
function disksOf({ driver, disks }: ExecutorDeps, record: MachineRecord) {
  const mounted = record.spec.disks ?? [];
  return disks.attachments(record).map((disk, index) => ({
    serial: driver.serialOf?.(disk) ?? disk.name,
    mountPath: mounted[index]?.mountPath ?? '',
  }));
}

function forgetRun(machine: Machine): void {
  machine.endRun();
}

async function settle(
  deps: ExecutorDeps,
  machine: Machine,
  outcome: Extract<Action, { do: 'settle' }>['outcome'],
): Promise<void> {
  const { templates, clock } = deps;
  const { state, reason, message, errorCode } = outcome;
  const { record, run } = machine;
  const isUp = state === 'running' || state === 'paused';
  const comesUp = isUp && record.state === 'creating';
  if (!isUp && record.suspended) await removeSuspended(machine.vm);
  if (!isUp) await disconnectNetwork(deps, machine);
  if (!isUp && outcome.reason !== 'Requested') await blameTemplate(deps, machine);
  if (comesUp && run.files?.template) templates.praise(run.files.template);
  if (comesUp && run.files && !run.files.snapshotFolder && !record.spec.template && !record.spec.disks) {
    templates.want(record.spec, run.files.image, run.files.boot);
  }
  const exitCode = 'exitCode' in outcome ? { exitCode: outcome.exitCode ?? null } : {};
  const started = comesUp ? { startedAtMs: clock.now() } : {};
  const suspended = isUp && record.suspended;
  machine.change({ state, reason, message, errorCode, suspended, ...exitCode, ...started });
}
