// One machine while flintlock runs: its record, what is known of its current run, and its queue.
// Invariant: what touches its VM goes through the queue, one thing at a time; a new wish interrupts the step in progress.

import { TvmError } from '@tvm/api/errors.ts';
import type { BootFiles, RootImage } from '@tvm/images/contract.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { GuestConnection } from '../guest/connection.ts';
import type { Vm, VmEnd } from '../vmm/driver.ts';
import type { BoundedLog } from './bounded-log.ts';
import type { Observed } from './plan.ts';
import type { MachineRecord } from './record.ts';

/** What is known of the run that is being made or goes on; forgotten when flintlock ends. */
export interface Run {
  startedForRun: boolean;
  files: RunFiles | undefined;
  vmmStartedAt: number;
  guest: Observed['guest'];
  exercised: boolean;
  connection: GuestConnection | undefined;
  command: Observed['command'];
  /** Bytes of the command's output that are in the log. */
  commandOffsets: { stdout: bigint; stderr: bigint };
  shutdownTried: boolean;
  graceMs: number;
  end: VmEnd | undefined;
  /** The guest answers no more. */
  unresponsive: boolean;
  /** It has been paused for long: its memory may go to disk. */
  suspendDue: boolean;
  /** Aborts everything that belongs to the run: watching the VMM, following the command. */
  over: AbortController;
}

/** What a machine starts from. */
export interface RunFiles {
  image: RootImage;
  boot: BootFiles;
  /** Of the snapshot or template; undefined: it boots. */
  snapshotFolder: string | undefined;
  /** Key of the template; undefined: none. */
  template: string | undefined;
}

export interface MachineDeps {
  folder: string;
  output: BoundedLog;
  log: Logger;
  /** One pass of observe, plan, execute until nothing is to do; `step` is aborted by a new wish. */
  reconcile: (machine: Machine, nextStep: () => AbortSignal) => Promise<void>;
  /** The record changed; `durable` false: only its message. */
  onChange: (record: MachineRecord, durable: boolean) => void;
}

const progressIntervalMs = 500;
const retryMs = { first: 250, most: 30_000 };

export class Machine {
  readonly vm: Vm;
  readonly output: BoundedLog;
  readonly log: Logger;
  run: Run = newRunState();
  /** For the guest only; never on disk. */
  env: Record<string, string> = {};
  /** For the registry of its image, until that is there; never on disk. */
  registryCredentials: readonly string[] = [];
  /** Shared by everybody who needs the guest at the same time. */
  connecting: Promise<GuestConnection> | undefined;
  #record: MachineRecord;
  readonly #deps: MachineDeps;
  #queue: Promise<unknown> = Promise.resolve();
  #passWaits = false;
  #step = new AbortController();
  #progressAt = 0;
  #retryMs = retryMs.first;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(record: MachineRecord, deps: MachineDeps) {
    this.#record = record;
    this.#deps = deps;
    this.vm = { id: record.id, folder: deps.folder };
    this.output = deps.output;
    this.log = deps.log.child({ machine: record.uid });
  }

  /** Nothing more may be done. */
  get closed(): boolean {
    return this.#closed;
  }

  get record(): MachineRecord {
    return this.#record;
  }

  /** Changes the record, on disk first. */
  change(fields: Partial<MachineRecord>): void {
    this.#record = { ...this.#record, ...fields, revision: this.#record.revision + 1 };
    this.#deps.onChange(this.#record, true);
    this.output.wake();
  }

  /** Shows how far the current step is; not more often than people can read. */
  progress(message: string): void {
    const now = Date.now();
    if (this.#record.state !== 'creating' || now - this.#progressAt < progressIntervalMs) return;
    this.#progressAt = now;
    this.#record = { ...this.#record, message, revision: this.#record.revision + 1 };
    this.#deps.onChange(this.#record, false);
  }

  /** A call to the guest begins (1) or ends (-1). Watchers are told; it goes to disk with the next change. */
  countCall(change: 1 | -1, now: number): void {
    const openCalls = Math.max(0, this.#record.openCalls + change);
    this.#record = { ...this.#record, openCalls, lastActiveAtMs: now, revision: this.#record.revision + 1 };
    this.#deps.onChange(this.#record, false);
  }

  /** Interrupts the step in progress, so that a new wish is seen at once. */
  interrupt(why: string): void {
    this.#step.abort(new TvmError('aborted', why));
  }

  /** Ends with the next interrupt. */
  beginStep(): AbortSignal {
    this.#step = new AbortController();
    return this.#step.signal;
  }

  /** Asks for a pass; one that waits already is enough. */
  wake(): void {
    if (this.#passWaits || this.#closed) return;
    this.#passWaits = true;
    this.exclusively(async () => {
      this.#passWaits = false;
      await this.#pass();
    }).catch((err) => this.log.error({ err }, 'a pass failed'));
  }

  /** Runs `operation` when nothing else touches the VM. */
  exclusively<T>(operation: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(operation);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  /** Waits until the queue is empty. */
  async settled(): Promise<void> {
    for (let seen: unknown; seen !== this.#queue; ) {
      seen = this.#queue;
      await this.#queue;
    }
  }

  /** Forgets what is known of the run and ends what follows it. */
  endRun(): void {
    this.run.over.abort();
    this.run.connection?.close();
    this.run = newRunState();
  }

  /** The next who needs the guest gets another connection; what goes on over this one ends. */
  hangUp(): void {
    this.run.connection?.close();
    this.run.connection = undefined;
  }

  /** Nothing more is done for the machine; its VM is left as it is. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.interrupt('flintlock stops');
    this.endRun();
    this.output[Symbol.dispose]();
  }

  async #pass(): Promise<void> {
    if (this.#closed) return;
    clearTimeout(this.#retry);
    try {
      await this.#deps.reconcile(this, () => this.beginStep());
      this.#retryMs = retryMs.first;
    } catch (err) {
      if (this.#closed) return;
      this.log.warn({ err, retryMs: this.#retryMs }, 'a step failed and will be tried again');
      this.#retry = setTimeout(() => this.wake(), this.#retryMs);
      this.#retryMs = Math.min(this.#retryMs * 2, retryMs.most);
    }
  }
}

function newRunState(): Run {
  return {
    startedForRun: false,
    files: undefined,
    vmmStartedAt: 0,
    guest: 'unknown',
    exercised: false,
    connection: undefined,
    command: 'none',
    commandOffsets: { stdout: 0n, stderr: 0n },
    shutdownTried: false,
    graceMs: 0,
    end: undefined,
    unresponsive: false,
    suspendDue: false,
    over: new AbortController(),
  };
}
