// The connection to a machine's guest, and what the guest is told to be. Invariant: what was said to one guest is never
// what another, continued from it, keeps as its own.
import { randomBytes, randomUUID } from 'node:crypto';
import type { RootImage } from '@tvm/images/contract.ts';
import { inSpan } from '@tvm/kit/tracing/tracing.ts';
import { connect } from '../guest/connect.ts';
import type { GuestConnection } from '../guest/connection.ts';
import { configure, ping } from '../guest/machine.ts';
import type { guestNetwork } from '../network/commands.ts';
import type { Driver } from '../vmm/driver.ts';
import type { ExecutorDeps } from './executor.ts';
import { guestDisks, namingDisks } from './guest-disks.ts';
import type { Machine } from './machine.ts';
import { networkOf } from './network.ts';
import { guestIdOf, type MachineSpec, objectOf } from './record.ts';

/** A guest that is restored on a node under load is slow to its first words. Shorter than the deadlines of callers, who are told why. */
const configureTimeoutMs = 25_000;
const nudgeMs = 500;
const entropyBytes = 64;
/** As the kernel's command line says. */
const defaultProcesses = 1024;
/** The first words to a guest that has come up. One that was restored must not keep what the snapshot made it. */
export async function introduce(deps: ExecutorDeps, machine: Machine, signal: AbortSignal): Promise<void> {
  const { snapshotFolder, image } = machine.run.files ?? {};
  const own = snapshotFolder ? { bootId: randomUUID() } : {};
  const defaults = image && defaultsOf(image, machine);
  const disks = guestDisks(deps, machine.record);
  const given = { ...own, ...defaults, ...networkOf(machine.record), disks };
  const { bootId } = await namingDisks(machine.record, disks, giveIdentity(deps, machine, signal, given));
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

export async function giveIdentity(deps: ExecutorDeps, machine: Machine, signal: AbortSignal, own: Own) {
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
