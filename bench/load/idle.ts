// What machines that wait cost: memory beyond the snapshot that they share, and processor time.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { vmmsOf } from '@tvm/test/e2e/host-facts.ts';
import { makeRpcMachine, type RpcMachine } from '../product/rpc-machine.ts';
import type { Service } from '../product/service.ts';
import { until, untilTemplate } from '../product/waiting.ts';
import { memoryOf } from './memory-map.ts';
import type { Figure, Probe } from './probe.ts';

const mib = 1024 * 1024;
const tickMs = 10;
const watchMs = 5_000;

/** Of a service whose own pool is off, so that only these machines are there. */
export function makeIdleProbe(service: () => Promise<Service>, count: number): Probe {
  return {
    id: 'idle',
    name: `${count} machines that wait`,
    what: `restored from one snapshot, primed, paused; mean of their processes, smaps and ${watchMs / 1000} s of processor time`,
    run: async () => {
      const restoring = await service();
      await untilTemplate(restoring);
      const machines: RpcMachine[] = [];
      try {
        while (machines.length < count) machines.push(await makeRpcMachine(restoring.flintlock));
        const pids = () => vmmsOf(restoring.home).map(({ pid }) => pid);
        await until('only these machines are there', async () => pids().length === count);
        return await idleFigures(pids());
      } finally {
        for (const machine of machines) await machine.destroy();
      }
    },
  };
}

async function idleFigures(pids: number[]): Promise<Figure[]> {
  const memories = pids.map((pid) => memoryOf(readFileSync(`/proc/${pid}/smaps`, 'utf8'), isSnapshotMemory));
  const mean = (of: (memory: (typeof memories)[number]) => number) =>
    memories.reduce((sum, memory) => sum + of(memory), 0) / memories.length / mib;
  const beganMs = cpuTimeMs(pids);
  await sleep(watchMs);
  const cpuPercent = (100 * (cpuTimeMs(pids) - beganMs)) / watchMs / pids.length;
  return [
    {
      id: 'beyond',
      name: 'memory beyond the shared snapshot',
      value: mean((each) => each.beyondSharedBytes),
      unit: 'MB',
    },
    {
      id: 'copied',
      name: 'of that, memory of the guest that it wrote to',
      value: mean((each) => each.copiedBytes),
      unit: 'MB',
    },
    {
      id: 'translated',
      name: 'of that, code that the emulator has translated',
      value: mean((each) => each.translatedBytes),
      unit: 'MB',
    },
    { id: 'pss', name: 'share of all memory (Pss)', value: mean((each) => each.pssBytes), unit: 'MB' },
    { id: 'private', name: 'private memory', value: mean((each) => each.privateBytes), unit: 'MB' },
    { id: 'cpu', name: 'of a processor', value: cpuPercent, unit: '%' },
  ];
}

function isSnapshotMemory(path: string): boolean {
  return /\/(templates|snapshots)\/[^/]+\/memory$/.test(path);
}

function cpuTimeMs(pids: number[]): number {
  const ticks = pids.map((pid) => {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, each) => sum + each, 0) * tickMs;
}
