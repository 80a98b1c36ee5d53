// What a run of the benchmark found, with what a reader needs to judge it: machine, versions, command. Written as JSON.
import { cpus, release, totalmem } from 'node:os';
import type { ProbeResult } from '../load/probe.ts';
import type { Row } from '../measure/sample.ts';

export interface Machine {
  cpu: string;
  cores: number;
  memoryGiB: number;
  kernel: string;
  node: string;
  accelerator: string;
  qemu: string;
  guestKernel: string;
}

export interface Results {
  takenAt: string;
  command: string;
  machine: Machine;
  rows: Row[];
  probes: ProbeResult[];
}

export type GuestFacts = Pick<Machine, 'accelerator' | 'qemu' | 'guestKernel'>;

/** This host, and what runs its guests. */
export function machineWith(guest: GuestFacts): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    ...guest,
  };
}

export function hasFailed({ rows, probes }: Pick<Results, 'rows' | 'probes'>): boolean {
  return rows.some(({ failures }) => failures > 0) || probes.some(({ error }) => error !== undefined);
}

/** In few words, for a picture. */
export function describeBriefly({ takenAt, machine: { cores, cpu, accelerator, qemu, guestKernel } }: Results): string {
  const guests = `guests on QEMU ${qemu} (${accelerator === 'tcg' ? 'emulated' : accelerator}), Linux ${guestKernel}`;
  return `${takenAt.slice(0, 10)}, ${cores} cores of ${cpu}; ${guests}`;
}

/** One line for a person. */
export function describe({ takenAt, command, machine }: Results): string {
  const { cores, cpu, memoryGiB, kernel, node, accelerator, qemu, guestKernel } = machine;
  return (
    `Taken ${takenAt.slice(0, 16).replace('T', ' ')} UTC by \`${command}\` on ${cores} cores of ${cpu}, ${memoryGiB} GiB, Linux ${kernel}, ` +
    `Node ${node}, QEMU ${qemu} (${accelerator}), guest kernel ${guestKernel}.`
  );
}
