// The Firecracker driver: one process a VM, run by its API. Needs KVM.
import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:fs';
import { access, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TvmError } from '@tvm/api/errors.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { z } from 'zod';
import type { ControlGroups } from '../../confinement/control-groups.ts';
import type { Command } from '../../confinement/sandbox.ts';
import {
  type Acceleration,
  checkSocketPath,
  type Driver,
  largestFileMiB,
  type Vm,
  type VmDisk,
  type VmSpec,
  type VmUsage,
  vmUnreachable,
} from '../driver.ts';
import { type ChildEnd, stderrTail } from '../process.ts';
import { maxFileBytes, ProcessDriver } from '../process-driver.ts';
import { checkFacts } from '../snapshot-facts.ts';
import { ask, untilServing } from './api.ts';
import { baseOf, forgetBase, keepBase } from './base-memory.ts';
import { checkTold, diskInputs, grownFact, serialOf } from './disks.ts';
import { files, inputFiles, pipes, snapshotFiles } from './files.ts';
import { type FirecrackerProbeDeps, probeFirecracker } from './host.ts';
import { jailedBelow } from './jail.ts';
import { VmmMessages } from './messages.ts';
import { startPager } from './pager.ts';
import { makePipes, readConsolePipe } from './pipes.ts';
import { type Jail, makeJailedPlace, makeOpenPlace, type Place } from './place.ts';
import {
  type ApiRequest,
  agentPort,
  bootRequests,
  grownRequest,
  inspectRequest,
  isLimited,
  limitRequests,
  type MemoryOptions,
  pauseRequest,
  resetRequest,
  restoreRequest,
  resumeRequest,
  snapshotRequest,
  tellRequest,
} from './requests.ts';
import { type Shape, shapeOf, shapeSchema, wasLimited } from './shape.ts';
import { dialVsock } from './vsock.ts';

/** The program, its version, where it is kept whether guests run in it, and how VMs are made. */
export interface FirecrackerDeps extends FirecrackerProbeDeps {
  /** Undefined: VMMs run as flintlock's user, for the reason that `unjailed` tells. */
  jail: Jail | undefined;
  unjailed: string;
  memory: MemoryOptions;
  /** Undefined: what VMMs take of the host is not limited. */
  groups?: ControlGroups;
  log: Logger;
  /** Told of everything that Firecracker is asked. */
  onRequest?: (request: ApiRequest) => void;
}

/** `jailed`: the program that the jail is named after. */
const vmmFacts = z.object({ shape: shapeSchema, jailed: z.string().optional(), tracked: z.boolean().default(false) });
type VmmFacts = z.infer<typeof vmmFacts>;

export function makeFirecrackerDriver(deps: FirecrackerDeps): Driver {
  return new FirecrackerDriver(deps);
}

/** What Firecracker needs besides the guest's memory, and what it may ever have of threads. */
const overheadMiB = 128;
const mostThreads = 128;
/**
 * Whenever they resume a VM these give its guest nothing more by vsock until it says that it has seen a reset (issue 6100 of
 * Firecracker), so there has to be one.
 */
const deafWhenResumed = /^1\.16\./;
const jailerDeadlineMs = 20_000;
const socketPollMs = 3;
const socketDeadlineMs = 5_000;
const ownArguments = [
  ...['--api-sock', files.api, '--log-path', pipes.log, '--level', 'Info', '--show-level'],
  ...['--metrics-path', pipes.metrics],
];

async function checkThere({ id }: Vm, paths: string[]): Promise<void> {
  for (const path of paths) {
    await access(path, constants.R_OK).catch((cause) => {
      const message = `Firecracker did not start: ${cause.message}`;
      throw new TvmError('internal', message, { cause, object: `vm/${id}`, reason: 'VmmStartFailed' });
    });
  }
}

class FirecrackerDriver extends ProcessDriver<VmmFacts> implements Driver {
  readonly name = 'firecracker';
  /** The guest is told that its vsock connections are gone, also in the VM that goes on. */
  readonly snapshotsEndChannels = true;
  readonly resumesEndChannels: boolean;
  readonly #deps: FirecrackerDeps;
  readonly #messages = new Map<string, VmmMessages>();
  #probing: Promise<void> | undefined;
  constructor(deps: FirecrackerDeps) {
    const openConsole = async (vm: Vm) => readConsolePipe(join(vm.folder, pipes.console));
    const hiddenBelow = (machinesFolder: string) => jailedBelow(machinesFolder, deps.program);
    super({ facts: vmmFacts, files, openConsole, hiddenBelow });
    this.#deps = deps;
    this.resumesEndChannels = deafWhenResumed.test(deps.version);
  }

  async probe(boot: Parameters<Driver['probe']>[0]) {
    this.#probing ??= probeFirecracker(this.#deps, boot);
    await this.#probing;
    return this.acceleration();
  }

  acceleration(): Acceleration {
    return { accelerator: 'kvm', reason: '' };
  }

  confinement() {
    const { jail, unjailed } = this.#deps;
    return jail ? { level: 'full' as const, reason: '' } : { level: 'none' as const, reason: unjailed };
  }

  limitsUnavailable(): string {
    return this.#deps.groups?.unavailable ?? '';
  }

  fingerprint(): string {
    const pages = this.#deps.memory.hugePages ? ' 2M' : '';
    return `firecracker ${this.#deps.version} kvm ${cpus()[0]?.model}${pages}`;
  }

  serialOf(disk: VmDisk): string {
    return serialOf(disk);
  }

  checkFolder(folder: string): void {
    checkSocketPath(folder, files.vsock);
  }

  async start(vm: Vm, spec: VmSpec): Promise<void> {
    const { kernelPath, initrdPath } = spec.boot;
    const inputs = { [inputFiles.kernel]: kernelPath, [inputFiles.initrd]: initrdPath };
    if (await this.#launch(vm, spec, inputs)) await this.#configure(vm, bootRequests(spec, this.#deps.memory));
  }

  async restore(vm: Vm, spec: VmSpec, snapshotFolder: string): Promise<void> {
    if (this.alive(vm)) return;
    const { limited: _, ...wanted } = this.#shapeOf(spec);
    await checkFacts(join(snapshotFolder, snapshotFiles.about), shapeSchema, wanted);
    const { memory } = this.#deps;
    const memoryPath = join(snapshotFolder, snapshotFiles.memory);
    const inputs = {
      [inputFiles.fromState]: join(snapshotFolder, snapshotFiles.state),
      ...(!memory.hugePages && { [inputFiles.fromMemory]: memoryPath }),
    };
    const limits = isLimited(spec) || (await wasLimited(snapshotFolder)) ? [...limitRequests(spec), resumeRequest] : [];
    if (!(await this.#launch(vm, spec, inputs))) return;
    const pager = memory.hugePages && (await this.#page(vm, memory.hugePages.pager, memoryPath));
    try {
      await this.#configure(vm, [restoreRequest(spec, memory, limits.length === 0), ...limits]);
    } catch (error) {
      pager?.kill('SIGKILL');
      throw error;
    }
    if (memory.trackDirtyPages) keepBase(vm, memoryPath);
  }

  async pause(vm: Vm): Promise<void> {
    await this.#ask(vm, 'pause', pauseRequest);
  }

  async resume(vm: Vm): Promise<void> {
    if (this.resumesEndChannels) {
      if (await this.isRunning(vm)) return;
      await this.#resetChannels(vm);
    }
    await this.#ask(vm, 'resume', resumeRequest);
  }

  async #resetChannels(vm: Vm): Promise<void> {
    try {
      await this.#ask(vm, 'resume', resetRequest);
    } catch (error) {
      if (!(error instanceof TvmError && error.reason === 'VmmRefused')) throw error;
    }
  }

  async snapshot(vm: Vm, snapshotFolder: string): Promise<void> {
    const { shape, jailed, tracked } = this.require(vm, 'snapshot');
    const place = this.#placeOf(jailed);
    const base = baseOf(vm);
    const wasRunning = await this.isRunning(vm);
    await this.#ask(vm, 'snapshot', pauseRequest);
    try {
      const { state, memory } = await place.outputs(vm, snapshotFolder, base);
      forgetBase(vm);
      await this.#ask(vm, 'snapshot', snapshotRequest(base ? 'Diff' : 'Full', state, memory));
    } finally {
      if (wasRunning) await this.#ask(vm, 'snapshot', resumeRequest);
    }
    await place.collect(vm, snapshotFolder);
    await writeFile(join(snapshotFolder, snapshotFiles.about), JSON.stringify(shape));
    if (tracked) keepBase(vm, join(snapshotFolder, snapshotFiles.memory));
  }

  async growDisk(vm: Vm, disk: VmDisk): Promise<void> {
    const { shape, jailed, tracked } = this.require(vm, 'grow a disk of');
    const { index, fact } = grownFact(shape.disks, disk);
    if (fact === shape.disks) return;
    await this.#ask(vm, 'grow a disk of', grownRequest(index));
    this.recordVmm(vm, { shape: { ...shape, disks: fact }, tracked, ...(jailed !== undefined && { jailed }) });
  }

  override async destroy(vm: Vm): Promise<void> {
    const { jailed = this.#deps.program } = this.known(vm) ?? {};
    await super.destroy(vm);
    this.#forgetMessages(vm);
    forgetBase(vm);
    this.#placeOf(jailed).remove(vm);
    await this.#deps.groups?.remove(vm);
  }

  override async sweep(machinesFolder: string, keep: ReadonlySet<string>): Promise<string[]> {
    const swept = await super.sweep(machinesFolder, keep);
    await this.#deps.groups?.sweep(keep);
    return swept;
  }

  override watch(...[vm, onConsole, signal]: Parameters<Driver['watch']>): ReturnType<Driver['watch']> {
    if (this.alive(vm)) this.#follow(vm);
    return super.watch(vm, onConsole, signal);
  }

  async dial(vm: Vm, signal: AbortSignal) {
    this.require(vm, 'dial');
    return await dialVsock(join(vm.folder, files.vsock), agentPort, () => this.alive(vm) !== undefined, signal);
  }

  override async usage(vm: Vm): Promise<VmUsage> {
    // One that does not answer is still measured from outside.
    const disk = await this.#diskUse(vm).catch(() => undefined);
    return { ...(await super.usage(vm)), disk };
  }

  async #diskUse(vm: Vm): Promise<VmUsage['disk']> {
    this.require(vm, 'measure');
    this.#follow(vm);
    // What nobody has read yet would leave no room for more.
    this.#messages.get(vm.folder)?.diskUse();
    await this.#ask(vm, 'measure', tellRequest);
    return this.#messages.get(vm.folder)?.diskUse();
  }

  /** Starts a process and waits until it answers; false when the VM is there already. */
  async #launch(vm: Vm, spec: VmSpec, inputs: Record<string, string>): Promise<boolean> {
    if (this.alive(vm)) return false;
    const { jail, program, memory } = this.#deps;
    const place = jail ? makeJailedPlace(program, jail) : makeOpenPlace(program);
    // It removes neither of its sockets, and does not start where one is.
    this.clearFolder(vm);
    this.#forgetMessages(vm);
    forgetBase(vm);
    place.remove(vm);
    using console = makePipes(vm.folder);
    this.#follow(vm);
    const all = { ...inputs, [inputFiles.root]: spec.rootDiskPath };
    const disks = diskInputs(spec);
    const fileMiB = largestFileMiB(spec);
    await checkThere(vm, Object.values({ ...all, ...disks }));
    checkTold(vm, spec);
    const limit = maxFileBytes(fileMiB);
    const wanted = { inputs: all, disks, network: spec.network, args: ownArguments, maxFileBytes: limit };
    const command = this.#limited(vm, spec, place.prepare(vm, wanted));
    const facts = { shape: this.#shapeOf(spec), tracked: memory.trackDirtyPages, ...(jail && { jailed: program }) };
    const ended = this.launch(vm, { ...command, stdout: console.fd, memoryMiB: fileMiB, facts });
    try {
      if (jail) await this.#untilLeft(vm, place, ended, facts);
      await this.#untilSocket(vm, place, files.api);
      await untilServing(join(vm.folder, files.api), () => this.alive(vm) !== undefined);
      return true;
    } catch (cause) {
      throw await this.#failed(vm, cause);
    }
  }

  async #page(vm: Vm, program: string, memoryPath: string): Promise<ChildProcess> {
    try {
      return await startPager(vm, { program, memoryPath, ...this.#placeOf(this.known(vm)?.jailed).rootOf(vm) });
    } catch (cause) {
      throw await this.#failed(vm, cause);
    }
  }

  /** Whoever enters the VM's group stays in it, through its jailer too. */
  #limited(vm: Vm, { memoryMiB, limits }: VmSpec, command: Command): Command {
    const needed = { memoryMiB: memoryMiB + overheadMiB, threads: mostThreads, cpuPercent: limits?.cpuPercent };
    return this.#deps.groups?.enter(vm, needed, command) ?? command;
  }

  /** The jailer ends as soon as it has started the VMM as the first process of a namespace of its own. */
  async #untilLeft(vm: Vm, place: Place, ended: Promise<ChildEnd>, facts: VmmFacts): Promise<void> {
    const done = new AbortController();
    const late = sleep(jailerDeadlineMs, undefined, { signal: done.signal }).catch(() => undefined);
    const end = await Promise.race([ended, late]);
    done.abort();
    if (!end) throw new TvmError('deadline_exceeded', 'the jailer does not end');
    const { exitCode, signal } = end;
    if (exitCode !== 0) throw new TvmError('internal', `the jailer failed (${signal ?? `exit code ${exitCode}`})`);
    const pid = place.leftBehind(vm);
    if (pid !== undefined) this.adopt(vm, pid, facts);
  }

  async #untilSocket(vm: Vm, place: Place, name: string): Promise<void> {
    for (const deadline = Date.now() + socketDeadlineMs; !place.takeSocket(vm, name); await sleep(socketPollMs)) {
      if (!this.alive(vm)) throw new TvmError('unavailable', 'Firecracker ended at once');
      if (Date.now() > deadline) throw new TvmError('deadline_exceeded', `Firecracker makes no ${name}`);
    }
  }

  async #configure(vm: Vm, requests: ApiRequest[]): Promise<void> {
    try {
      for (const request of requests) await this.#send(vm, request);
      await this.#untilSocket(vm, this.#placeOf(this.known(vm)?.jailed), files.vsock);
    } catch (cause) {
      throw await this.#failed(vm, cause);
    }
  }

  async #failed(vm: Vm, cause: unknown): Promise<TvmError> {
    const said = this.said(vm);
    await this.kill(vm);
    const message = `Firecracker did not start: ${TvmError.from(cause).message}${said && `; it says: ${said}`}`;
    return new TvmError('internal', message, { cause, object: `vm/${vm.id}`, reason: 'VmmStartFailed' });
  }

  #shapeOf(spec: VmSpec): Shape {
    const { version, memory } = this.#deps;
    return shapeOf(spec, version, memory);
  }

  async #ask(vm: Vm, operation: string, request: ApiRequest): Promise<unknown> {
    this.require(vm, operation);
    try {
      return await this.#send(vm, request);
    } catch (error) {
      throw error instanceof TvmError && error.code === 'unavailable' ? vmUnreachable(vm, operation, error) : error;
    }
  }

  async #send(vm: Vm, request: ApiRequest): Promise<unknown> {
    this.#deps.onRequest?.(request);
    return await ask(join(vm.folder, files.api), request);
  }

  #placeOf(jailed: string | undefined): Place {
    const { jail, program } = this.#deps;
    // The jailer itself has no part in what is already in a jail.
    return jailed
      ? makeJailedPlace(jailed, jail ?? { jailer: '', cgroupVersion: 2, users: { first: 0, last: 0 } })
      : makeOpenPlace(program);
  }

  #follow(vm: Vm): void {
    if (!this.#messages.has(vm.folder)) this.#messages.set(vm.folder, new VmmMessages(vm, this.#deps.log));
  }

  #forgetMessages(vm: Vm): void {
    this.#messages.get(vm.folder)?.[Symbol.dispose]();
    this.#messages.delete(vm.folder);
  }

  protected override said(vm: Vm): string {
    return [this.#messages.get(vm.folder)?.said(), stderrTail(vm)].filter(Boolean).join('\n');
  }

  protected override toldEnd(vm: Vm): ChildEnd | undefined {
    return this.#messages.get(vm.folder)?.end();
  }

  protected async isRunning(vm: Vm): Promise<boolean> {
    const { state } = z.object({ state: z.string() }).parse(await this.#ask(vm, 'inspect', inspectRequest));
    return state !== 'Paused';
  }
}
