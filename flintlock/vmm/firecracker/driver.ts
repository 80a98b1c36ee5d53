// The Firecracker driver: one process a VM, run by its API. Needs KVM.
import { mkdirSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import { z } from 'zod';
import { followConsole } from '../console.ts';
import {
  checkSocketPath,
  type Driver,
  type Vm,
  type VmEnd,
  type VmSpec,
  vmNotRunning,
  vmUnreachable,
} from '../driver.ts';
import {
  type ChildEnd,
  identityOf,
  isAlive,
  killProcess,
  launch,
  type ProcessIdentity,
  processesBelow,
  stderrTail,
  usageOf,
  vmNamePrefix,
} from '../process.ts';
import { ask, untilServing } from './api.ts';
import { makeConsolePipe, readConsolePipe } from './console-pipe.ts';
import { files, snapshotFiles } from './files.ts';
import { type FirecrackerProbeDeps, probeFirecracker } from './host.ts';
import {
  type ApiRequest,
  agentPort,
  bootRequests,
  inspectRequest,
  pauseRequest,
  restoreRequest,
  resumeRequest,
  snapshotRequest,
} from './requests.ts';
import { digHoles } from './sparse.ts';
import { dialVsock } from './vsock.ts';

/** The program, its version, and where it is kept whether guests run in it. */
export type FirecrackerDeps = FirecrackerProbeDeps;

const consoleTailBytes = 4096;
const mib = 1024 * 1024;
const otherFilesMiB = 64;
const acceleration = { accelerator: 'kvm', reason: '' } as const;

/** What a VM must have in common with the one that a snapshot is of. */
const snapshotFacts = z.strictObject({ version: z.string(), cpus: z.int(), memoryMiB: z.int() });
type SnapshotFacts = z.infer<typeof snapshotFacts>;

const vmmFacts = z.object({ shape: snapshotFacts });
type VmmIdentity = z.infer<typeof vmmFacts> & ProcessIdentity;

export function makeFirecrackerDriver(deps: FirecrackerDeps): Driver {
  return new FirecrackerDriver(deps);
}

class FirecrackerDriver implements Driver {
  readonly name = 'firecracker';
  readonly #deps: FirecrackerDeps;
  #probing: Promise<void> | undefined;
  /** What a parent knows more than a stranger: how its children ended. */
  readonly #children = new Map<string, Promise<ChildEnd>>();

  constructor(deps: FirecrackerDeps) {
    this.#deps = deps;
  }

  async probe(boot: Parameters<Driver['probe']>[0]) {
    this.#probing ??= probeFirecracker(this.#deps, boot);
    await this.#probing;
    return acceleration;
  }

  acceleration() {
    return acceleration;
  }

  fingerprint(): string {
    return `firecracker ${this.#deps.version} kvm ${cpus()[0]?.model}`;
  }

  checkFolder(folder: string): void {
    checkSocketPath(folder, files.vsock);
  }

  async start(vm: Vm, spec: VmSpec): Promise<void> {
    if (await this.#launch(vm, spec)) await this.#configure(vm, bootRequests(spec));
  }

  async restore(vm: Vm, spec: VmSpec, snapshotFolder: string): Promise<void> {
    if (this.#alive(vm)) return;
    await checkFacts(snapshotFolder, this.#factsOf(spec));
    if (!(await this.#launch(vm, spec))) return;
    const [state, memory] = [join(snapshotFolder, snapshotFiles.state), join(snapshotFolder, snapshotFiles.memory)];
    await this.#configure(vm, [restoreRequest(state, memory)]);
  }

  async pause(vm: Vm): Promise<void> {
    await this.#ask(vm, 'pause', pauseRequest);
  }

  async resume(vm: Vm): Promise<void> {
    await this.#ask(vm, 'resume', resumeRequest);
  }

  async snapshot(vm: Vm, snapshotFolder: string): Promise<void> {
    const { shape } = this.#require(vm, 'snapshot');
    const memory = join(snapshotFolder, snapshotFiles.memory);
    const wasRunning = await this.#isRunning(vm);
    await this.#ask(vm, 'snapshot', pauseRequest);
    try {
      await this.#ask(vm, 'snapshot', snapshotRequest(join(snapshotFolder, snapshotFiles.state), memory));
    } finally {
      if (wasRunning) await this.#ask(vm, 'snapshot', resumeRequest);
    }
    await digHoles(memory);
    await writeFile(join(snapshotFolder, snapshotFiles.about), JSON.stringify(shape));
  }

  async kill(vm: Vm): Promise<void> {
    const identity = identityOf(vm, vmmFacts);
    if (identity) await killProcess(identity);
  }

  async destroy(vm: Vm): Promise<void> {
    await this.kill(vm);
    removeFiles(vm);
    this.#children.delete(vm.folder);
  }

  async dial(vm: Vm, signal: AbortSignal) {
    this.#require(vm, 'dial');
    return await dialVsock(join(vm.folder, files.vsock), agentPort, () => this.#alive(vm) !== undefined, signal);
  }

  async inspect(vm: Vm): ReturnType<Driver['inspect']> {
    const identity = identityOf(vm, vmmFacts);
    if (!identity) return { state: 'absent' };
    if (!isAlive(identity)) return { state: 'ended', end: await this.#endOf(vm, '') };
    // A VMM that is alive but does not answer still counts as running: it can be killed.
    const running = await this.#isRunning(vm).catch(() => true);
    if (!isAlive(identity)) return { state: 'ended', end: await this.#endOf(vm, '') };
    return { state: running ? 'running' : 'paused', pid: identity.pid };
  }

  async watch(vm: Vm, onConsole: (data: Uint8Array) => void, signal: AbortSignal): Promise<VmEnd | undefined> {
    const identity = identityOf(vm, vmmFacts);
    let tail = Buffer.alloc(0);
    const keep = (data: Uint8Array) => {
      tail = Buffer.concat([tail, data]).subarray(-consoleTailBytes);
      onConsole(data);
    };
    const open = async () => readConsolePipe(join(vm.folder, files.console));
    if (identity) await followConsole(open, keep, () => isAlive(identity), signal);
    return signal.aborted ? undefined : await this.#endOf(vm, tail.toString('utf8'));
  }

  async usage(vm: Vm) {
    return usageOf(this.#require(vm, 'measure').pid);
  }

  async sweep(machinesFolder: string, keep: ReadonlySet<string>): Promise<string[]> {
    const isKnown = ({ id, process }: { id: string; process: ProcessIdentity }) =>
      keep.has(id) && identityOf({ id, folder: join(machinesFolder, id) }, vmmFacts)?.pid === process.pid;
    const strays = processesBelow(machinesFolder).filter((found) => !isKnown(found));
    await Promise.all(strays.map(({ process }) => killProcess(process)));
    return strays.map(({ id }) => id);
  }

  /** Starts a process and waits until it answers; false when the VM is there already. */
  async #launch(vm: Vm, spec: VmSpec): Promise<boolean> {
    if (this.#alive(vm)) return false;
    mkdirSync(vm.folder, { recursive: true, mode: 0o700 });
    // It removes neither of its sockets, and does not start where one is.
    removeFiles(vm);
    using console = makeConsolePipe(join(vm.folder, files.console));
    const args = ['--id', `${vmNamePrefix}${vm.id}`, '--api-sock', files.api];
    const logging = ['--log-path', files.stderr, '--level', 'Error'];
    const command = { program: this.#deps.program, args: [...args, ...logging], stdout: console.fd };
    const maxFileBytes = (spec.memoryMiB + otherFilesMiB) * mib;
    const ended = launch(vm, { ...command, maxFileBytes, facts: { shape: this.#factsOf(spec) } });
    this.#children.set(vm.folder, ended);
    try {
      await untilServing(join(vm.folder, files.api), () => this.#alive(vm) !== undefined);
      return true;
    } catch (cause) {
      throw await this.#failed(vm, cause);
    }
  }

  async #configure(vm: Vm, requests: ApiRequest[]): Promise<void> {
    try {
      for (const request of requests) await ask(join(vm.folder, files.api), request);
    } catch (cause) {
      throw await this.#failed(vm, cause);
    }
  }

  async #failed(vm: Vm, cause: unknown): Promise<TvmError> {
    const said = stderrTail(vm);
    await this.kill(vm);
    const message = `Firecracker did not start: ${TvmError.from(cause).message}${said && `; it says: ${said}`}`;
    return new TvmError('internal', message, { cause, object: `vm/${vm.id}`, reason: 'VmmStartFailed' });
  }

  #factsOf({ cpus: cpuCount, memoryMiB }: VmSpec): SnapshotFacts {
    return { version: this.#deps.version, cpus: cpuCount, memoryMiB };
  }

  #alive(vm: Vm): VmmIdentity | undefined {
    const identity = identityOf(vm, vmmFacts);
    return identity && isAlive(identity) ? identity : undefined;
  }

  #require(vm: Vm, operation: string): VmmIdentity {
    const identity = identityOf(vm, vmmFacts);
    if (!identity || !isAlive(identity)) throw vmNotRunning(vm, operation, identity ? 'ended' : 'absent');
    return identity;
  }

  async #ask(vm: Vm, operation: string, request: ApiRequest): Promise<unknown> {
    this.#require(vm, operation);
    try {
      return await ask(join(vm.folder, files.api), request);
    } catch (error) {
      throw error instanceof TvmError && error.code === 'unavailable' ? vmUnreachable(vm, operation, error) : error;
    }
  }

  async #isRunning(vm: Vm): Promise<boolean> {
    const { state } = z.object({ state: z.string() }).parse(await this.#ask(vm, 'inspect', inspectRequest));
    return state !== 'Paused';
  }

  async #endOf(vm: Vm, console: string): Promise<VmEnd> {
    const child = await this.#children.get(vm.folder);
    return { exitCode: child?.exitCode ?? null, signal: child?.signal ?? null, stderr: stderrTail(vm), console };
  }
}

/** Throws `failed_precondition` when such a VM cannot go on from the snapshot. */
async function checkFacts(folder: string, wanted: SnapshotFacts): Promise<void> {
  const facts = snapshotFacts.parse(JSON.parse(await readFile(join(folder, snapshotFiles.about), 'utf8')));
  for (const key of Object.keys(wanted) as (keyof SnapshotFacts)[]) {
    if (facts[key] === wanted[key]) continue;
    const message = `the snapshot was made with ${key} ${facts[key]}, the machine has ${wanted[key]}`;
    throw new TvmError('failed_precondition', message, { reason: 'SnapshotIncompatible' });
  }
}

function removeFiles(vm: Vm): void {
  for (const name of Object.values(files)) rmSync(join(vm.folder, name), { force: true });
}
