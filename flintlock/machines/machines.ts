// The machines of this node: what may be asked of them. Invariant: every change is on disk before it is answered, and a
// declaration older than the newest seen is refused.

import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { Tracing } from '@tvm/kit/tracing/tracing.ts';
import type { DiskSpec } from '../disks/disk.ts';
import type { DiskStore } from '../disks/disk-store.ts';
import { checkUnattached, type DiskOwner, grown, sized } from '../disks/plan.ts';
import { type DiskRoom, makeDiskRoom } from '../disks/room.ts';
import { type GuestConnection, guestLost } from '../guest/connection.ts';
import type { Networks } from '../network/networks.ts';
import { checkPolicy } from '../network/policy.ts';
import type { SnapshotManifest, SnapshotStore } from '../snapshots/snapshot-store.ts';
import type { Templates } from '../templates/templates.ts';
import type { Driver } from '../vmm/driver.ts';
import { checkDeclaration, checkRoom, type NodeLimits } from './admission.ts';
import { BoundedLog } from './bounded-log.ts';
import { ChangeFeed } from './change-feed.ts';
import { checkGeneration, isUp, waits, wrongState } from './claims.ts';
import { makeExecutor } from './execute.ts';
import type { Executor, Images } from './executor.ts';
import { growRunningDisks } from './grow-disks.ts';
import { guestOf } from './guest-identity.ts';
import { Machine } from './machine.ts';
import { up } from './plan.ts';
import { makeReconcile } from './reconcile.ts';
import { type Declaration, type MachineRecord, newRecord, newRun, objectOf, uidOf } from './record.ts';
import type { RecordStore } from './record-store.ts';
import { completeSpec, mergeSnapshot } from './snapshot-spec.ts';
import { takeSnapshot } from './take-snapshot.ts';

export interface MachinesDeps {
  driver: Driver;
  images: Images;
  records: RecordStore;
  snapshots: SnapshotStore;
  templates: Templates;
  networks: Networks;
  disks: DiskStore;
  clock: Clock;
  log: Logger;
  limits: NodeLimits;
  bootTimeoutMs: number;
  /** Undefined: nothing is traced. */
  tracing?: Tracing | undefined;
  /** Measures a boot that succeeded. */
  onBoot?: (seconds: number) => void;
}

/** The guest of a machine, while a call to it is open. */
export interface GuestCall extends Disposable {
  connection: GuestConnection;
}

export const outputFile = 'output.log';
const takeUpTimeoutMs = 25_000;
/** The end of a VMM is seen so much later than that of its channels. */
const endNoticedMs = 2_000;
const lookIntervalMs = 25;

export class Machines implements AsyncDisposable {
  readonly #deps: MachinesDeps;
  readonly #machines = new Map<string, Machine>();
  readonly #feed = new ChangeFeed();
  readonly #room: DiskRoom;
  readonly #execute: Executor;
  readonly #reconcile: ReturnType<typeof makeReconcile>;

  constructor(deps: MachinesDeps) {
    this.#deps = deps;
    const limitMiB = deps.limits.diskMiB ?? Number.POSITIVE_INFINITY;
    this.#room = makeDiskRoom({ ...deps, owners: () => this.list(), limitMiB });
    this.#execute = makeExecutor({ ...deps, forget: (machine) => this.#forget(machine) });
    this.#reconcile = makeReconcile(deps.driver, this.#execute);
  }

  /** Takes over a record that exists on disk. */
  adopt(record: MachineRecord): Machine {
    return this.#admit({ ...record, openCalls: 0 });
  }

  get(uid: string): MachineRecord {
    return this.#find(uid).record;
  }

  list(labels: Record<string, string> = {}): MachineRecord[] {
    const wanted = Object.entries(labels);
    const all = [...this.#machines.values()].map(({ record }) => record);
    return all.filter((record) => wanted.every(([key, value]) => record.labels[key] === value));
  }

  watch(signal: AbortSignal) {
    return this.#feed.watch(() => this.list(), signal);
  }

  /** `env` and `registryCredentials` are never on disk. */
  async create(
    declared: Declaration,
    env: Record<string, string>,
    registryCredentials: readonly string[] = [],
  ): Promise<MachineRecord> {
    const existing = this.#machines.get(declared.uid);
    if (existing) return this.#createAgain(existing, declared);
    const whole = { ...declared, spec: await completeSpec(declared.spec, this.#deps.snapshots) };
    if (whole.spec.network) {
      checkPolicy(whole.spec.network);
      await this.#deps.networks.check();
    }
    const meanwhile = this.#machines.get(declared.uid);
    if (meanwhile) return this.#createAgain(meanwhile, whole);
    checkDeclaration(whole, this.#deps.limits);
    checkRoom(whole.spec, this.list(), this.#deps.limits);
    this.#checkDisks(whole);
    const record = newRecord(whole, this.#deps.clock.now());
    this.#deps.driver.checkFolder(this.#deps.records.folder(record.id));
    this.#deps.records.write(record);
    const machine = this.#admit(record);
    machine.env = env;
    machine.registryCredentials = registryCredentials;
    this.#feed.publish({ kind: 'changed', record });
    machine.wake();
    return record;
  }

  start(
    uid: string,
    generation: number,
    env: Record<string, string>,
    registryCredentials: readonly string[] = [],
  ): MachineRecord {
    const machine = this.#accept(uid, generation);
    const { desired, spec } = machine.record;
    if (desired === 'destroyed') throw wrongState(machine.record, 'start');
    if (isUp(machine.record)) {
      if (desired === 'stopped') throw wrongState(machine.record, 'start');
      return machine.record;
    }
    const others = this.list().filter((record) => record.uid !== uid);
    checkRoom(spec, others, this.#deps.limits);
    machine.env = env;
    machine.registryCredentials = registryCredentials;
    machine.change({ desired: 'running', ...newRun });
    machine.wake();
    return machine.record;
  }

  /** Disks that are declared larger than they are grow when the machine, which is down, starts. */
  growDisks(uid: string, generation: number, declared: readonly Pick<DiskSpec, 'name' | 'sizeMiB'>[]): void {
    const machine = this.#accept(uid, generation);
    const { spec } = machine.record;
    if (isUp(machine.record) || !spec.disks) return;
    const disks = grown(spec.disks, declared);
    if (isDeepStrictEqual(disks, spec.disks)) return;
    this.#checkDisks({ uid, spec: { disks } });
    machine.change({ spec: { ...spec, disks } });
  }

  /** The same while it runs: answers when its guest has the room. */
  async growRunningDisks(
    uid: string,
    generation: number,
    declared: readonly Pick<DiskSpec, 'name' | 'sizeMiB'>[],
  ): Promise<MachineRecord> {
    const machine = this.#accept(uid, generation);
    const growth = { ...this.#deps, admit: (owner: DiskOwner) => this.#room.check(owner) };
    await machine.exclusively(() => growRunningDisks(growth, machine, declared));
    return machine.record;
  }

  /** Pauses or resumes; answers when that is done. */
  async setPaused(uid: string, generation: number, paused: boolean): Promise<MachineRecord> {
    const machine = this.#accept(uid, generation);
    const { desired } = machine.record;
    if (!isUp(machine.record) || desired === 'stopped' || desired === 'destroyed') {
      throw wrongState(machine.record, paused ? 'pause' : 'resume');
    }
    machine.change({ desired: paused ? 'paused' : 'running' });
    machine.wake();
    await machine.settled();
    const wanted = paused ? 'paused' : 'running';
    if (machine.record.state !== wanted) throw wrongState(machine.record, paused ? 'pause' : 'resume');
    return machine.record;
  }

  /** Stops in an orderly way within `graceMs`, then by force; answers when the machine is down. */
  async stop(uid: string, generation: number, graceMs: number): Promise<MachineRecord> {
    const machine = this.#accept(uid, generation);
    const { state, desired } = machine.record;
    if (desired === 'destroyed') throw wrongState(machine.record, 'stop');
    if (state === 'stopped' || state === 'failed') return machine.record;
    machine.run.graceMs = graceMs;
    machine.change({ desired: 'stopped' });
    machine.interrupt('the machine is stopped');
    machine.wake();
    await machine.settled();
    return machine.record;
  }

  /** Answers when nothing of the machine is left. */
  async destroy(uid: string, generation: number): Promise<void> {
    if (!this.#machines.has(uid)) return;
    const machine = this.#accept(uid, generation);
    if (machine.record.desired !== 'destroyed')
      machine.change({ desired: 'destroyed', state: 'destroying', message: '' });
    machine.interrupt('the machine is destroyed');
    machine.wake();
    await machine.settled();
    if (this.#machines.get(uid) !== machine) return;
    const message = `machine ${uid} could not be removed yet; that is tried again`;
    throw new TvmError('unavailable', message, { object: objectOf(uid), retryAfterSeconds: 1 });
  }

  snapshot(uid: string, generation: number, name: string): Promise<SnapshotManifest> {
    return this.snapshotTo(this.#deps.snapshots, uid, generation, name);
  }

  async snapshotTo(store: SnapshotStore, uid: string, generation: number, name: string): Promise<SnapshotManifest> {
    const machine = this.#accept(uid, generation);
    return await machine.exclusively(() =>
      takeSnapshot({ ...this.#deps, snapshots: store, room: this.#room }, machine, name),
    );
  }

  /** The guest of a running machine. */
  async guest(uid: string, signal: AbortSignal): Promise<GuestConnection> {
    const machine = this.#find(uid);
    if (machine.record.state !== 'running') throw wrongState(machine.record, 'reach the guest of');
    return await guestOf(this.#deps, machine, signal);
  }

  /** A call that is made for a caller: it keeps the machine from being idle until it is disposed. */
  async openCall(uid: string, signal: AbortSignal): Promise<GuestCall> {
    const connection = await this.guest(uid, signal);
    const machine = this.#find(uid);
    const { clock } = this.#deps;
    machine.countCall(1, clock.now());
    return { connection, [Symbol.dispose]: () => machine.countCall(-1, clock.now()) };
  }

  /**
   * The same for a call after which the machine is used for good. One that waits is resumed for it; it is marked on disk
   * first, so that whatever happens it is given to nobody else.
   */
  async openUse(uid: string, signal: AbortSignal): Promise<GuestCall> {
    const machine = this.#find(uid);
    if (waits(machine.record)) await machine.exclusively(() => this.#takeUp(machine));
    const call = await this.openCall(uid, signal);
    if (!machine.record.used) machine.change({ used: true });
    return call;
  }

  /** The action that the plan has for it, without looking at the VM before and after: somebody waits for every millisecond. */
  async #takeUp(machine: Machine): Promise<void> {
    if (!waits(machine.record)) return;
    machine.change({ used: true, desired: 'running' });
    try {
      const deadline = AbortSignal.timeout(takeUpTimeoutMs);
      await this.#execute(machine, { do: 'resumeVmm' }, deadline);
      await this.#execute(machine, up('running'), deadline);
    } catch (error) {
      machine.wake();
      throw error;
    }
  }

  /** Why a call failed: when a machine ended with the connection to its guest, how it did says more. */
  async explain(thrown: unknown): Promise<unknown> {
    const { reason: why, object } = TvmError.from(thrown);
    const machine = why === guestLost ? this.#machines.get(uidOf(object) ?? '') : undefined;
    if (!machine) return thrown;
    for (let waited = 0; isUp(machine.record) && waited < endNoticedMs; waited += lookIntervalMs) {
      await this.#deps.clock.sleep(lookIntervalMs);
    }
    const { uid, state, reason, message } = machine.record;
    if (state !== 'failed' && state !== 'stopped') return thrown;
    const said = `machine ${uid} ${state === 'failed' ? 'failed' : 'ended'}: ${message}`;
    return new TvmError('unavailable', said, { cause: thrown, object: objectOf(uid), reason });
  }

  /** The memory of a machine that is paused may go to disk. Unknown machines are fine. */
  suspend(uid: string): void {
    const machine = this.#machines.get(uid);
    if (machine?.record.state !== 'paused') return;
    machine.run.suspendDue = true;
    machine.wake();
  }

  /** The guest of a running machine answers no more: the machine fails. Unknown machines are fine. */
  giveUp(uid: string): void {
    const machine = this.#machines.get(uid);
    if (machine?.record.state !== 'running') return;
    machine.run.unresponsive = true;
    machine.interrupt('the guest does not answer');
    machine.wake();
  }

  output(uid: string): BoundedLog {
    return this.#find(uid).output;
  }

  vm(uid: string) {
    return this.#find(uid).vm;
  }

  /** Stops working on the machines; their VMs go on. */
  async [Symbol.asyncDispose](): Promise<void> {
    const machines = [...this.#machines.values()];
    for (const machine of machines) machine.close();
    await Promise.all(machines.map((machine) => machine.settled()));
  }

  #admit(record: MachineRecord): Machine {
    const folder = this.#deps.records.folder(record.id);
    const machine = new Machine(record, {
      folder,
      output: new BoundedLog(join(folder, outputFile), this.#deps.clock),
      log: this.#deps.log,
      reconcile: this.#reconcile,
      onChange: (changed, durable) => this.#changed(changed, durable),
    });
    this.#machines.set(record.uid, machine);
    return machine;
  }

  #changed(record: MachineRecord, durable: boolean): void {
    if (durable) this.#deps.records.write(record);
    if (this.#machines.has(record.uid)) this.#feed.publish({ kind: 'changed', record });
  }

  #forget(machine: Machine): void {
    const { record } = machine;
    machine.close();
    this.#deps.disks.release(record);
    this.#deps.records.remove(record.id);
    this.#machines.delete(record.uid);
    this.#feed.publish({ kind: 'removed', record });
  }

  #createAgain(machine: Machine, declared: Declaration): MachineRecord {
    checkGeneration(machine.record, declared.generation);
    const { record } = machine;
    const whole = mergeSnapshot(declared.spec, record.spec);
    // A disk that was declared larger meanwhile grows at the next start.
    const disks = whole.disks && { disks: sized(whole.disks, record.spec.disks ?? []) };
    const same = isDeepStrictEqual({ ...whole, ...disks }, record.spec);
    if (!same || record.desired === 'destroyed') {
      const message = same
        ? `machine ${record.uid} is being destroyed`
        : `machine ${record.uid} exists with another spec`;
      throw new TvmError('already_exists', message, { object: objectOf(record.uid) });
    }
    this.#raise(machine, declared.generation);
    return machine.record;
  }

  #checkDisks(owner: DiskOwner): void {
    checkUnattached(owner, this.list());
    this.#room.check(owner);
  }

  #find(uid: string): Machine {
    const machine = this.#machines.get(uid);
    if (!machine) throw new TvmError('not_found', `no machine ${uid} on this node`, { object: objectOf(uid) });
    return machine;
  }

  #accept(uid: string, generation: number): Machine {
    const machine = this.#find(uid);
    checkGeneration(machine.record, generation);
    this.#raise(machine, generation);
    return machine;
  }

  #raise(machine: Machine, generation: number): void {
    if (generation > machine.record.generation) machine.change({ generation });
  }
}
