// What flintlock keeps of a machine on disk. Invariant: no secrets: environment variables never come here.
import { createHash } from 'node:crypto';
import { errorCodes } from '@tvm/api/errors.ts';
import { z } from 'zod';
import { diskSpec } from '../disks/disk.ts';
import { networkPolicy } from '../network/policy.ts';

export const machineStates = ['creating', 'running', 'paused', 'stopped', 'failed', 'destroying'] as const;
export type MachineState = (typeof machineStates)[number];

/** What a machine may take; what is absent, as much as every machine. */
export const machineLimits = z.strictObject({
  cpuPercent: z.int().positive().optional(),
  diskIops: z.int().positive().optional(),
  diskBytesPerSecond: z.int().positive().optional(),
  /** Of its network interface, in each direction. */
  networkBytesPerSecond: z.int().positive().optional(),
  /** Inside of it. */
  processes: z.int().min(4).max(1_000_000).optional(),
});

export type MachineLimits = z.infer<typeof machineLimits>;

const machineSpec = z.strictObject({
  image: z.string(),
  cpus: z.int(),
  memoryMiB: z.int(),
  /** Arguments of a process that the machine exists for; empty: none. */
  command: z.array(z.string()),
  /** Without a command: what the image's entrypoint is run with. */
  args: z.array(z.string()).default([]),
  /** Without a command: the image's entrypoint is run, with its cmd when there are no args. */
  runEntrypoint: z.boolean().optional(),
  hostname: z.string(),
  /** Name of the snapshot that it starts from; empty: it boots. */
  snapshot: z.string(),
  /** Name of an interpreter that waits in it; empty: none. */
  interpreter: z.string(),
  /** Paused once it is ready, until something is executed in it. */
  standby: z.boolean(),
  /** Made to become a template. */
  template: z.boolean(),
  /** Absent: none. */
  disks: z.array(diskSpec).optional(),
  /** What its network interface reaches; absent: it has none. */
  network: networkPolicy.optional(),
  limits: machineLimits.optional(),
});
export type MachineSpec = z.infer<typeof machineSpec>;

export const machineRecord = z.strictObject({
  uid: z.string(),
  /** Name of its folder and its VM. */
  id: z.string(),
  /** Of the newest declaration seen; older ones are refused. */
  generation: z.int(),
  spec: machineSpec,
  labels: z.record(z.string(), z.string()),
  desired: z.enum(['running', 'paused', 'stopped', 'destroyed']),
  state: z.enum(machineStates),
  reason: z.string(),
  message: z.string(),
  errorCode: z.enum(['', ...errorCodes]),
  bootMs: z.int(),
  bootId: z.string(),
  imageDigest: z.string(),
  createdAtMs: z.int(),
  startedAtMs: z.int(),
  exitCode: z.int().nullable(),
  used: z.boolean(),
  /** It started from a snapshot or template, it did not boot. */
  restored: z.boolean(),
  /** Paused, with its memory on disk and no VMM. */
  suspended: z.boolean().default(false),
  /** That its packets have on this node; empty: none. */
  address: z.string().default(''),
  /** Of its newest snapshot; 0: none was begun. */
  snapshotGeneration: z.int().default(0),
  lastActiveAtMs: z.int(),
  /** Calls to its guest that are open now. */
  openCalls: z.int(),
  revision: z.int(),
});
export type MachineRecord = z.infer<typeof machineRecord>;

const idLength = 12;
const guestIdLength = 32;

/** A short name for a uid, safe in paths. */
export function machineIdOf(uid: string): string {
  return digestOf(uid).slice(0, idLength);
}

/** What the guest finds in /etc/machine-id. */
export function guestIdOf(uid: string): string {
  return digestOf(uid).slice(-guestIdLength);
}

function digestOf(uid: string): string {
  return createHash('sha256').update(uid).digest('hex');
}

export interface Declaration {
  uid: string;
  generation: number;
  spec: MachineSpec;
  labels: Record<string, string>;
}

export function newRecord(declared: Declaration, now: number): MachineRecord {
  return {
    ...declared,
    id: machineIdOf(declared.uid),
    desired: declared.spec.standby ? 'paused' : 'running',
    ...newRun,
    createdAtMs: now,
    used: false,
    snapshotGeneration: 0,
    lastActiveAtMs: now,
    openCalls: 0,
    revision: 1,
  };
}

const objectPrefix = 'machine/';

/** What errors call a machine. */
export function objectOf(uid: string): string {
  return `${objectPrefix}${uid}`;
}

/** The machine that an error is about; undefined: none. */
export function uidOf(object: string | undefined): string | undefined {
  return object?.startsWith(objectPrefix) ? object.slice(objectPrefix.length) : undefined;
}

/** Whether the machine has a VMM. */
export function hasVmm({ state, suspended }: MachineRecord): boolean {
  return (state === 'running' || state === 'paused') && !suspended;
}

/** The fields of a record when the machine is about to start. */
export const newRun = {
  state: 'creating',
  reason: '',
  message: '',
  errorCode: '',
  bootMs: 0,
  bootId: '',
  imageDigest: '',
  startedAtMs: 0,
  exitCode: null,
  restored: false,
  suspended: false,
  address: '',
} as const;
