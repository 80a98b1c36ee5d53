// What this node takes in. Invariant: the memory promised to machines that are up never exceeds what they may use.
import { TvmError } from '@tvm/api/errors.ts';
import { checkDisks } from '../disks/plan.ts';
import type { Declaration, MachineRecord, MachineSpec } from './record.ts';

export interface NodeLimits {
  cpus: number;
  /** That all machines together may use. */
  memoryMiB: number;
  machines: number;
  /** That all disks together may have; absent: no bound. */
  diskMiB?: number;
}

const minMemoryMiB = 32;
const maxImageLength = 512;
const maxCommandBytes = 64 * 1024;
const maxLabels = 64;
const retryAfterSeconds = 5;
const uidPattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
const hostnamePattern = /^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$/;

/** Throws `invalid_argument` for what can never be a machine of this node. */
export function checkDeclaration({ uid, spec, labels }: Declaration, limits: NodeLimits): void {
  if (!uidPattern.test(uid)) throw invalid(`${JSON.stringify(uid.slice(0, 200))} is no uid of a machine`);
  if (spec.image === '' || spec.image.length > maxImageLength) throw invalid('the image has no usable name');
  if (spec.cpus < 1) throw invalid(`a machine needs at least 1 cpu, not ${spec.cpus}`);
  if (spec.cpus > limits.cpus) throw invalid(`${spec.cpus} cpus are more than the ${limits.cpus} of this node`);
  checkMemory(spec.memoryMiB, limits);
  if (spec.hostname !== '' && !hostnamePattern.test(spec.hostname)) throw invalid(`${spec.hostname} is no hostname`);
  if (Buffer.byteLength([...spec.command, ...spec.args].join('\0')) > maxCommandBytes) {
    throw invalid(`the command is longer than ${maxCommandBytes} bytes`);
  }
  checkDisks(spec.disks ?? []);
  if (Object.keys(labels).length > maxLabels) throw invalid(`more than ${maxLabels} labels`);
}

function checkMemory(memoryMiB: number, limits: NodeLimits): void {
  if (memoryMiB < minMemoryMiB) throw invalid(`${memoryMiB} MiB of memory are too few: at least ${minMemoryMiB}`);
  if (memoryMiB <= limits.memoryMiB) return;
  throw invalid(
    `${memoryMiB} MiB of memory are more than the ${limits.memoryMiB} MiB that machines may use on this node`,
  );
}

/** Throws `resource_exhausted` when there is no room beside `others` now. */
export function checkRoom(spec: MachineSpec, others: Iterable<MachineRecord>, limits: NodeLimits): void {
  const records = [...others];
  if (records.length >= limits.machines) {
    throw exhausted(`this node has ${records.length} machines and takes no more`);
  }
  const freeMiB = limits.memoryMiB - promisedMiB(records);
  if (spec.memoryMiB <= freeMiB) return;
  throw exhausted(`${spec.memoryMiB} MiB of memory are asked for, ${Math.max(0, freeMiB)} MiB are free on this node`);
}

/** Memory of the machines that are up or on their way. */
export function promisedMiB(records: Iterable<MachineRecord>): number {
  let sum = 0;
  for (const { state, spec } of records) if (state !== 'stopped' && state !== 'failed') sum += spec.memoryMiB;
  return sum;
}

function invalid(message: string): TvmError {
  return new TvmError('invalid_argument', message, { reason: 'InvalidSpec' });
}

function exhausted(message: string): TvmError {
  const hint = 'Try again later, or destroy a machine.';
  return new TvmError('resource_exhausted', message, { reason: 'NoRoom', hint, retryAfterSeconds });
}
