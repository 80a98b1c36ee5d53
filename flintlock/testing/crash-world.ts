// A flintlock that is killed at chosen steps, its host, and what was promised to its caller; for the property test of crashes.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Machine, MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { machineIdOf } from '../machines/record.ts';
import { makeFakeDriver } from '../vmm/fake/driver.ts';
import { FakeHost } from '../vmm/fake/host.ts';
import { type FlintlockClient, makeTestClient, type TestClient } from './flintlock-harness.ts';
import { serveHost } from './host-server.ts';

const program = fileURLToPath(new URL('dying-flintlock.ts', import.meta.url));
const lookEveryMs = 5;
const maxLooks = 2000;

export class CrashWorld implements AsyncDisposable {
  readonly home: string;
  readonly host = new FakeHost();
  readonly #server: Server;
  #child: ChildProcess | undefined;
  #client: TestClient | undefined;

  private constructor(home: string, host: FakeHost, server: Server) {
    this.home = home;
    this.host = host;
    this.#server = server;
  }

  static async open(): Promise<CrashWorld> {
    const home = await mkdtemp(join(tmpdir(), 'tvm-crash-'));
    const host = new FakeHost();
    return new CrashWorld(home, host, await serveHost(makeFakeDriver(host), join(home, 'host.sock')));
  }

  get client(): FlintlockClient {
    if (!this.#client) throw new Error('flintlock does not run');
    return this.#client.flintlock;
  }

  get alive(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Kills itself at step `dieAt`, which may be before it serves; 0: never. */
  async start(dieAt: number): Promise<void> {
    const args = [this.home, join(this.home, 'host.sock'), String(dieAt)];
    const child = fork(program, args, { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child = child;
    await Promise.race([once(child, 'message'), once(child, 'exit')]);
    if (this.alive) this.#client = makeTestClient(`unix:${this.home}/run/flintlock.sock`);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    const ended = this.alive ? once(child, 'exit') : undefined;
    child.kill('SIGKILL');
    await ended;
    this.#child = undefined;
    this.#client?.[Symbol.dispose]();
    this.#client = undefined;
  }

  /** Every machine, once nothing is on its way any more, or will not come to its end. */
  async settled(): Promise<Machine[]> {
    for (let look = 1; ; look += 1) {
      const { machines } = await this.client.listMachines({});
      if (look >= maxLooks || !machines.some((machine) => this.#isOnItsWay(machine))) return machines;
      await sleep(lookEveryMs);
    }
  }

  /** One that rests is on its way to the disk; one that has no use for its VM any more, to having none. */
  #isOnItsWay({ uid, state, suspended }: Machine): boolean {
    if (state === MachineState.CREATING || state === MachineState.DESTROYING) return true;
    if (state === MachineState.RUNNING) return false;
    return this.vmOf(uid) !== undefined || (state === MachineState.PAUSED && !suspended);
  }

  names(...path: string[]): string[] {
    const folder = join(this.home, 'flintlock', ...path);
    return existsSync(folder) ? readdirSync(folder).sort() : [];
  }

  /** `running`, `paused`, or undefined: nothing of the machine is on the host. */
  vmOf(uid: string): 'running' | 'paused' | 'ended' | undefined {
    const vm = this.host.vms.get(join(this.home, 'flintlock/machines', machineIdOf(uid)));
    if (!vm) return undefined;
    if (vm.end) return 'ended';
    return vm.paused ? 'paused' : 'running';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    this.#server.close();
    for (const vm of this.host.vms.values()) vm.finish({ exitCode: null, signal: 'SIGKILL', stderr: '' });
    await rm(this.home, { recursive: true, force: true });
  }
}
