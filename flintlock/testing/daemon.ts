// The real daemon as a process of its own, to be killed in the middle of what it does. For tests with real VMs.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeImageStore } from '@tvm/images/store.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { readConfig } from '../config.ts';
import { makeControlGroups } from '../confinement/control-groups.ts';
import { jailedBelow } from '../vmm/firecracker/jail.ts';
import { killProcess, processesBelow } from '../vmm/process.ts';
import { type FlintlockClient, makeTestClient, type TestClient } from './flintlock-harness.ts';

const mainPath = fileURLToPath(new URL('../main.ts', import.meta.url));

export class Daemon implements AsyncDisposable {
  readonly home: string;
  readonly machinesFolder: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #launcher: string[];
  #process: ChildProcess | undefined;
  #client: TestClient | undefined;

  /** `launcher`: a command that ends in the daemon's, and stays its process. */
  constructor(home: string, env: NodeJS.ProcessEnv, launcher: string[] = []) {
    this.home = home;
    this.#launcher = launcher;
    this.machinesFolder = join(home, 'flintlock/machines');
    this.#env = { ...process.env, TVM_HOME: home, TVM_LOG_LEVEL: 'warn', ...env };
  }

  get flintlock(): FlintlockClient {
    if (!this.#client) throw new Error('the daemon does not run');
    return this.#client.flintlock;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  async start(): Promise<void> {
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'] as const;
    const [program = '', ...args] = [...this.#launcher, process.execPath, mainPath];
    this.#process = spawn(program, args, { env: this.#env, stdio: [...stdio] });
    await once(this.#process, 'message');
    this.#client = makeTestClient(`unix:${this.home}/run/flintlock.sock`);
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    if (!this.#process) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill(signal);
    this.#client?.[Symbol.dispose]();
    this.#client = undefined;
    await ended;
    this.#process = undefined;
  }

  /** Machines whose VMM runs. */
  vmms() {
    return vmmsBelow(this.machinesFolder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
    for (const { process } of this.vmms()) await killProcess(process);
    await makeControlGroups(join(this.home, 'flintlock'), 1).sweep(new Set());
    await rm(this.home, { recursive: true, force: true });
  }
}

/** In a sandbox or in a jail. */
export function vmmsBelow(machinesFolder: string) {
  return [...processesBelow(machinesFolder), ...jailedBelow(machinesFolder, readConfig().firecracker)];
}

/** Running, with the image in the cache. */
export async function startDaemon(
  image: string,
  env: NodeJS.ProcessEnv = {},
  launcher: string[] = [],
): Promise<Daemon> {
  const { cacheDir, kernel } = readConfig();
  const images = makeImageStore({ cacheDir, kernel, log: makeLogger('images', 'warn') });
  await images.ensure(image, () => {});
  await images.bootFiles(() => {});
  const daemon = new Daemon(await mkdtemp(join(tmpdir(), 'tvm-')), env, launcher);
  await daemon.start();
  return daemon;
}
