// What Firecracker says of itself: its log and its metrics go to flintlock's log, at a bounded rate; how it ended is kept.
import { join } from 'node:path';
import type { Logger } from '@tvm/kit/log.ts';
import { z } from 'zod';
import type { Vm, VmUsage } from '../driver.ts';
import type { ChildEnd } from '../process.ts';
import { addDiskUse, diskUseOf } from './disk-use.ts';
import { pipes } from './files.ts';
import { LinePipe } from './pipes.ts';

const linesPerMinute = 60;
const minuteMs = 60_000;
const keptLines = 10;
const linePattern = /^\S+ \[[^\]]*\b(ERROR|WARN|INFO|DEBUG|TRACE)\b[^\]]*\] (.*)$/;
const endPattern = /^Firecracker exiting .*exit_code=(\d+)$/;
/** What it refuses, and why, is in its answer too, and some is asked for to be refused. */
const refusal = /^Received Error\. Status code: /;

/** What must not happen, by its name in the metrics. */
const alarms = z.object({
  seccomp: z.object({ num_faults: z.number() }).partial().optional(),
  vmm: z.object({ panic_count: z.number() }).partial().optional(),
});

/** Follows one VM's VMM until it is disposed of. */
export class VmmMessages implements Disposable {
  readonly #vm: Vm;
  readonly #log: Logger;
  readonly #pipes: LinePipe[];
  #lines: string[] = [];
  #exitCode: number | undefined;
  #budget = { from: 0, lines: 0 };

  constructor(vm: Vm, log: Logger) {
    this.#vm = vm;
    this.#log = log.child({ vm: vm.id });
    this.#pipes = [
      new LinePipe(join(vm.folder, pipes.log), (line) => this.#onLog(line)),
      new LinePipe(join(vm.folder, pipes.metrics), (line) => this.#onMetrics(line)),
    ];
  }

  /** Its last errors. */
  said(): string {
    for (const pipe of this.#pipes) pipe.drain();
    return this.#lines.join('\n');
  }

  /** Undefined: it has not said. */
  end(): ChildEnd | undefined {
    for (const pipe of this.#pipes) pipe.drain();
    return this.#exitCode === undefined ? undefined : { exitCode: this.#exitCode, signal: null };
  }

  /** As far as it was told. */
  diskUse(): NonNullable<VmUsage['disk']> {
    for (const pipe of this.#pipes) pipe.drain();
    return diskUseOf(this.#vm);
  }

  [Symbol.dispose](): void {
    for (const pipe of this.#pipes) pipe[Symbol.dispose]();
  }

  #onLog(line: string): void {
    const [, level, text = ''] = linePattern.exec(line) ?? [];
    const exitCode = endPattern.exec(text)?.[1];
    if (exitCode !== undefined) this.#exitCode = Number(exitCode);
    if ((level !== 'ERROR' && level !== 'WARN') || refusal.test(text)) return;
    this.#lines = [...this.#lines, text].slice(-keptLines);
    if (this.#mayTell()) this.#log[level === 'ERROR' ? 'warn' : 'info']({ firecracker: text }, 'Firecracker says');
  }

  #onMetrics(line: string): void {
    const said = parsed(line);
    addDiskUse(this.#vm, said);
    const metrics = alarms.safeParse(said).data;
    const seccompFaults = metrics?.seccomp?.num_faults ?? 0;
    const panics = metrics?.vmm?.panic_count ?? 0;
    if (seccompFaults + panics > 0) this.#log.error({ seccompFaults, panics }, 'Firecracker did what it must not');
  }

  #mayTell(): boolean {
    const now = Date.now();
    if (now - this.#budget.from > minuteMs) this.#budget = { from: now, lines: 0 };
    this.#budget.lines += 1;
    return this.#budget.lines <= linesPerMinute;
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
