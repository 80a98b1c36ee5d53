// Runs inside a machine, whose kernel has control groups of version 2 alone, as a flintlock of that host would: makes groups,
// overruns each limit, removes the groups. Prints what it saw as one JSON object.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeControlGroups } from '@tvm/flintlock/confinement/control-groups.ts';
import type { GroupLimits } from '@tvm/flintlock/confinement/group-settings.ts';

export interface Overrun {
  /** Why there are no groups; empty: there are. */
  unavailable: string;
  /** Of a processor, in percent, of a loop that may have a fifth of one. */
  cpuPercent: number;
  /** What ended a program that wants 256 MiB where it may have 32. */
  memorySignal: string;
  /** How many of 20 processes were started where there may be 8. */
  started: number;
  /** Groups of VMs after their removal, and after the sweep of one that nobody removed. */
  left: string[];
}

const measuredMs = 5_000;
const roomy = { memoryMiB: 64, threads: 32 };
const groups = makeControlGroups('/run/state', 1);
const vmOf = (id: string) => ({ id, folder: '/run/state' });

function start(id: string, limits: GroupLimits, program: string, ...args: string[]): ChildProcess {
  const command = groups.enter(vmOf(id), limits, { program, args });
  return spawn(command.program, command.args, { stdio: ['ignore', 'pipe', 'ignore'] });
}

async function cpuPercent(): Promise<number> {
  const loop = start('slow', { ...roomy, cpuPercent: 20 }, 'sh', '-c', 'while :; do :; done');
  await sleep(500);
  const folder = groupOf(loop);
  const usedUs = () => Number(/^usage_usec (\d+)$/m.exec(readFileSync(join(folder, 'cpu.stat'), 'utf8'))?.[1]);
  const [beforeUs, beforeMs] = [usedUs(), performance.now()];
  await sleep(measuredMs);
  const percent = (usedUs() - beforeUs) / 10 / (performance.now() - beforeMs);
  loop.kill('SIGKILL');
  await once(loop, 'exit');
  await groups.remove(vmOf('slow'));
  return percent;
}

async function memorySignal(): Promise<string> {
  const hungry = start('hungry', { ...roomy, memoryMiB: 32 }, 'python3', '-c', 'b"x" * (256 << 20)');
  const [, signal] = await once(hungry, 'exit');
  await groups.remove(vmOf('hungry'));
  return String(signal);
}

/** The shell is a process too; it gives up at the first that it cannot start. */
async function started(): Promise<number> {
  const many = 'for i in $(seq 20); do sleep 3 & echo started; done; wait';
  const shell = start('many', { ...roomy, threads: 8 }, 'sh', '-c', many);
  let printed = '';
  shell.stdout?.on('data', (chunk: Buffer) => {
    printed += chunk;
  });
  await once(shell, 'exit');
  await sleep(4_000);
  return printed.split('started').length - 1;
}

function groupOf({ pid }: ChildProcess): string {
  return join('/sys/fs/cgroup', readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('::')[1] ?? '');
}

async function overrun(): Promise<Overrun> {
  if (groups.unavailable !== '') {
    return { unavailable: groups.unavailable, cpuPercent: 0, memorySignal: '', started: 0, left: [] };
  }
  const seen = { cpuPercent: await cpuPercent(), memorySignal: await memorySignal(), started: await started() };
  await groups.sweep(new Set());
  const own = '/sys/fs/cgroup/tvm';
  const left = existsSync(own) ? readdirSync(own).filter((name) => /^[0-9a-f]{12}$/.test(name)) : [];
  return { unavailable: '', ...seen, left };
}

console.log(JSON.stringify(await overrun()));
