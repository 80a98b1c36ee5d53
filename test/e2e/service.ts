// A service of a test's own: another home, any ports, the cache shared. Used like a user does: by the command.
// Invariant: after dispose nothing of it is left on the host, and that is asserted.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StatusView } from '@tvm/api/rest/microvms.ts';
import { type PartName, readServiceFile, type ServiceState } from '@tvm/cli/service/service-file.ts';
import { obtainKubernetes } from '../cluster/obtain.ts';
import { makeScratchFolder, type ScratchFolder } from '../cluster/scratch-folder.ts';
import { environmentWith, readConfig } from '../config.ts';
import {
  filesBelow,
  isRunning,
  killAnyway,
  mountsBelow,
  processesOf,
  readOrEmpty,
  socketsBelow,
  vmmOfBoot,
  vmmsOf,
} from './host-facts.ts';
import { type Finished, type Program, type ProgramOptions, startProgram } from './program.ts';
import { until } from './until.ts';

const anyPort = '127.0.0.1:0';

/** `down --purge` leaves the lock: another start may hold it. */
const mayStay = ['service.lock'];

export class Service implements AsyncDisposable {
  readonly home: string;
  readonly #folder: ScratchFolder;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #root: string;

  constructor(folder: ScratchFolder, root: string, kubernetesBin: string) {
    this.#folder = folder;
    this.#root = root;
    this.home = join(folder.path, 'home');
    this.#environment = {
      ...environmentWith({
        TVM_HOME: this.home,
        TVM_APISERVER_LISTEN: anyPort,
        TVM_LIME_LISTEN: anyPort,
        TVM_METRICS_LISTEN: anyPort,
        TVM_HEALTH_LISTEN: anyPort,
        // Registries of tests have no certificates.
        TVM_INSECURE_REGISTRIES: '127.0.0.1',
      }),
      PATH: `${kubernetesBin}:${environmentWith({}).PATH}`,
    };
  }

  /** Starts the command and does not wait for its end. */
  start(args: string[], options: ProgramOptions = {}): Program {
    const env = { ...this.#environment, ...options.env };
    return startProgram(process.execPath, [join(this.#root, 'cli/main.ts'), ...args], { ...options, env });
  }

  vvm(args: string[], options: ProgramOptions = {}): Promise<Finished> {
    return this.start(args, options).finished;
  }

  /** Standard output of a command that must succeed. */
  async ok(args: string[], options: ProgramOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.vvm(args, options);
    assert.equal(code, 0, `vvm ${args.join(' ')}\n${stdout.slice(-2000)}${stderr.slice(-2000)}`);
    return stdout;
  }

  kubectl(...args: string[]): Promise<Finished> {
    return this.vvm(['kubectl', ...args]);
  }

  /** Any program, with the environment of the command. */
  program(file: string, args: string[], options: ProgramOptions = {}): Program {
    return startProgram(file, args, { ...options, env: { ...this.#environment, ...options.env } });
  }

  /** The shell line that runs the command: for terminals. */
  get commandLine(): string {
    return `${process.execPath} ${join(this.#root, 'cli/main.ts')}`;
  }

  /** What the service says of itself; undefined when there is none, or its file is being replaced. */
  stateIfAny(): ServiceState | undefined {
    return readServiceFile(this.home)?.state;
  }

  state(): ServiceState {
    const state = this.stateIfAny();
    assert.ok(state, 'no service.json');
    return state;
  }

  pidOf(part: PartName): number {
    const pid = this.state().parts[part]?.pid;
    assert.ok(pid, `${part} has no process`);
    return pid;
  }

  token(): string {
    const [token = ''] = readFileSync(this.state().tokensFile, 'utf8').trim().split(',');
    return token;
  }

  rest(path: string, init: RequestInit & { token?: string | undefined } = {}): Promise<Response> {
    const token = 'token' in init ? init.token : this.token();
    const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
    return fetch(`${this.state().url}${path}`, { ...init, headers: { ...headers, ...init.headers } });
  }

  vmms() {
    return vmmsOf(this.home);
  }

  /** The virtual machine whose console has shown `text`. */
  vmmThatPrinted(text: string) {
    return this.vmms().find(({ folder }) => readOrEmpty(join(folder, 'output.log')).includes(text));
  }

  /** Virtual machines in which code is, or was, executed once. */
  vmmsOfRuns() {
    return this.vmms().filter(({ folder }) => {
      const record = readOrEmpty(join(folder, 'machine.json'));
      return record.includes('"used":true') && /"owner":"(pool|execute)"/.test(record);
    });
  }

  /** Waits until the machine that booted with `bootId` has neither process nor folder. */
  async untilGone(bootId: string): Promise<void> {
    const machines = join(this.home, 'flintlock/machines');
    const records = () => filesBelow(machines).filter((file) => file.endsWith('machine.json'));
    await until(
      `the machine of boot ${bootId} is gone`,
      () =>
        vmmOfBoot(this.home, bootId) === undefined &&
        records().every((record) => !readOrEmpty(join(machines, record)).includes(bootId)),
      30_000,
    );
  }

  /** Waits until an unused machine of the image is ready for the next run. */
  async untilWaits(image: string): Promise<void> {
    await until(`a machine of ${image} waits`, async () => {
      const { pools } = (await (await this.rest('/v1/status')).json()) as StatusView;
      return pools.some((pool) => pool.image === image && pool.waiting > 0);
    });
  }

  /** A part that was killed serves again, and so does the command. */
  async untilServes(): Promise<void> {
    await until('all parts run', () => {
      const { state, parts } = this.state();
      const each = Object.values(parts);
      return (
        state === 'running' && each.length === 3 && each.every((p) => p.state === 'running' && isRunning(p.pid ?? 0))
      );
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { code, stderr } = await this.vvm(['down', '--purge'], { timeoutMs: 180_000 });
    try {
      assert.equal(code, 0, `down --purge: ${stderr}`);
      await until('no process is left', () => processesOf(this.home).length === 0, 15_000).catch(() => undefined);
      assert.deepEqual(processesOf(this.home), []);
      assert.deepEqual(mountsBelow(this.home), []);
      assert.deepEqual(socketsBelow(this.home), []);
      assert.deepEqual(
        filesBelow(this.home).filter((file) => !mayStay.includes(file)),
        [],
      );
    } finally {
      for (const { pid } of processesOf(this.home)) killAnyway(pid);
      await this.#folder[Symbol.asyncDispose]();
    }
  }
}

/** A home without a running service. */
export async function makeService(): Promise<Service> {
  const config = readConfig();
  const kubernetesBin = await obtainKubernetes(config, (line) => console.error(line));
  return new Service(await makeScratchFolder('e2e'), config.root, kubernetesBin);
}

/** A running service, started by `vvm up`. */
export async function startService(): Promise<Service> {
  const service = await makeService();
  try {
    await service.ok(['up']);
    return service;
  } catch (error) {
    await service[Symbol.asyncDispose]();
    throw error;
  }
}
