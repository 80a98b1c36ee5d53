// Where fake VMs live: in memory, apart from the driver, so that a new driver finds them as it would find processes.
import { randomUUID } from 'node:crypto';
import { type Duplex, duplexPair } from 'node:stream';
import type { Vm, VmEnd, VmSpec } from '../driver.ts';
import { FakeAgent } from './agent.ts';
import { type Faults, faultsOf } from './faults.ts';
import { FakeFiles } from './files.ts';
import type { GuestMemory } from './requests.ts';

export class FakeVm {
  readonly folder: string;
  readonly pid: number;
  readonly memory: GuestMemory;
  paused = false;
  end: VmEnd | undefined;
  onEnd: ((end: VmEnd) => void)[] = [];
  onConsole: ((data: Buffer) => void)[] = [];
  readonly #agent: FakeAgent;
  readonly #faults: Faults;
  readonly #startedAtMs = Date.now();
  readonly #timers: NodeJS.Timeout[] = [];
  #console = '';

  constructor(vm: Vm, spec: VmSpec, pid: number, memory?: GuestMemory) {
    this.folder = vm.folder;
    this.pid = pid;
    this.#faults = faultsOf(spec.rootDiskPath);
    this.memory = memory ?? bootMemory();
    this.memory.powerOff = () => this.finish({ exitCode: 0, signal: null, stderr: '' });
    this.#agent = new FakeAgent(this.memory);
    this.print(`fake guest: booting from ${spec.rootDiskPath}\n`);
    if (this.#faults.bootFails)
      this.#after(0, () => this.finish({ exitCode: 1, signal: null, stderr: 'fake: boot failed' }));
  }

  print(text: string): void {
    this.#console = (this.#console + text).slice(-4096);
    for (const listener of this.onConsole) listener(Buffer.from(text));
  }

  dial(): Duplex {
    const [near, far] = duplexPair();
    if (this.#faults.hangs) return near;
    const bootsInMs = this.#startedAtMs + this.#faults.bootMs - Date.now();
    if (bootsInMs <= 0) this.#agent.connect(far);
    else this.#after(bootsInMs, () => this.#agent.connect(far));
    return near;
  }

  pause(): void {
    this.paused = true;
    this.#agent.pause();
  }

  resume(): void {
    this.paused = false;
    this.#agent.resume();
  }

  finish(end: Omit<VmEnd, 'console'>): void {
    if (this.end) return;
    this.end = { ...end, console: this.#console };
    for (const timer of this.#timers) clearTimeout(timer);
    this.#agent.disconnect();
    for (const process of this.memory.processes.values()) process.kill.abort('machine ended');
    for (const listener of this.onEnd) listener(this.end);
  }

  #after(ms: number, run: () => void): void {
    this.#timers.push(setTimeout(run, ms));
  }
}

export function bootMemory(): GuestMemory {
  return {
    bootId: randomUUID(),
    bootedAtMs: Date.now(),
    hostname: 'localhost',
    machineId: '',
    env: {},
    files: new FakeFiles(),
    processes: new Map(),
    ports: new Map(),
    lastPid: 1,
    printedBytes: 0,
    powerOff: () => {},
  };
}

/** The fake VMs of one host, by folder. */
export class FakeHost {
  readonly vms = new Map<string, FakeVm>();
  readonly snapshots = new Map<string, GuestMemory>();
  #lastPid = 0;

  launch(vm: Vm, spec: VmSpec, memory?: GuestMemory): void {
    const before = this.vms.get(vm.folder);
    if (before && !before.end) return;
    this.vms.set(vm.folder, new FakeVm(vm, spec, ++this.#lastPid, memory));
  }
}
