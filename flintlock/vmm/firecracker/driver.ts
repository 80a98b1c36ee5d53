// The Firecracker driver: one process a VM, run by its API. Needs KVM.
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import { z } from 'zod';
import { checkSocketPath, type Driver, type Vm, type VmSpec, vmUnreachable } from '../driver.ts';
import { stderrTail, vmNamePrefix } from '../process.ts';
import { ProcessDriver } from '../process-driver.ts';
import { checkFacts } from '../snapshot-facts.ts';
import { digHoles } from '../sparse.ts';
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
import { dialVsock } from './vsock.ts';

/** The program, its version, and where it is kept whether guests run in it. */
export type FirecrackerDeps = FirecrackerProbeDeps;

const acceleration = { accelerator: 'kvm', reason: '' } as const;

/** What a VM must have in common with the one that a snapshot is of. */
const snapshotFacts = z.strictObject({ version: z.string(), cpus: z.int(), memoryMiB: z.int() });
type SnapshotFacts = z.infer<typeof snapshotFacts>;

const vmmFacts = z.object({ shape: snapshotFacts });
type VmmFacts = z.infer<typeof vmmFacts>;

export function makeFirecrackerDriver(deps: FirecrackerDeps): Driver {
  return new FirecrackerDriver(deps);
}

class FirecrackerDriver extends ProcessDriver<VmmFacts> implements Driver {
  readonly name = 'firecracker';
  readonly #deps: FirecrackerDeps;
  #probing: Promise<void> | undefined;
  constructor(deps: FirecrackerDeps) {
    const openConsole = async (vm: Vm) => readConsolePipe(join(vm.folder, files.console));
    super({ facts: vmmFacts, files, openConsole });
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
    if (this.alive(vm)) return;
    await checkFacts(join(snapshotFolder, snapshotFiles.about), snapshotFacts, this.#factsOf(spec));
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
    const { shape } = this.require(vm, 'snapshot');
    const memory = join(snapshotFolder, snapshotFiles.memory);
    const wasRunning = await this.isRunning(vm);
    await this.#ask(vm, 'snapshot', pauseRequest);
    try {
      await this.#ask(vm, 'snapshot', snapshotRequest(join(snapshotFolder, snapshotFiles.state), memory));
    } finally {
      if (wasRunning) await this.#ask(vm, 'snapshot', resumeRequest);
    }
    await digHoles(memory);
    await writeFile(join(snapshotFolder, snapshotFiles.about), JSON.stringify(shape));
  }

  async dial(vm: Vm, signal: AbortSignal) {
    this.require(vm, 'dial');
    return await dialVsock(join(vm.folder, files.vsock), agentPort, () => this.alive(vm) !== undefined, signal);
  }

  /** Starts a process and waits until it answers; false when the VM is there already. */
  async #launch(vm: Vm, spec: VmSpec): Promise<boolean> {
    if (this.alive(vm)) return false;
    // It removes neither of its sockets, and does not start where one is.
    this.clearFolder(vm);
    using console = makeConsolePipe(join(vm.folder, files.console));
    const args = ['--id', `${vmNamePrefix}${vm.id}`, '--api-sock', files.api];
    const logging = ['--log-path', files.stderr, '--level', 'Error'];
    const { memoryMiB } = spec;
    const facts = { shape: this.#factsOf(spec) };
    this.launch(vm, { program: this.#deps.program, args: [...args, ...logging], stdout: console.fd, memoryMiB, facts });
    try {
      await untilServing(join(vm.folder, files.api), () => this.alive(vm) !== undefined);
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

  async #ask(vm: Vm, operation: string, request: ApiRequest): Promise<unknown> {
    this.require(vm, operation);
    try {
      return await ask(join(vm.folder, files.api), request);
    } catch (error) {
      throw error instanceof TvmError && error.code === 'unavailable' ? vmUnreachable(vm, operation, error) : error;
    }
  }

  protected async isRunning(vm: Vm): Promise<boolean> {
    const { state } = z.object({ state: z.string() }).parse(await this.#ask(vm, 'inspect', inspectRequest));
    return state !== 'Paused';
  }
}
