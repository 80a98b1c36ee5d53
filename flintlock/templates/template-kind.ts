// What a template is of, and the name that follows from everything its content depends on. Pure.
// Invariant: two templates with one key can stand in for each other; whatever changes what a machine would be changes the key.
import { createHash } from 'node:crypto';
import type { MachineSpec } from '../machines/record.ts';

/** Machines of one kind start from the same template. */
export type TemplateKind = Pick<MachineSpec, 'image' | 'cpus' | 'memoryMiB' | 'interpreter'>;

/** What a template is made of besides its kind. */
export interface Ingredients {
  imageDigest: string;
  /** Kernel and guest agent. */
  bootDigest: string;
  /** The driver's fingerprint: VMM, its version, accelerator, processor. */
  vmm: string;
}

const keyLength = 24;

export function kindOf({ image, cpus, memoryMiB, interpreter }: TemplateKind): TemplateKind {
  return { image, cpus, memoryMiB, interpreter };
}

/** The same for equal kinds. */
export function nameOfKind({ image, cpus, memoryMiB, interpreter }: TemplateKind): string {
  return JSON.stringify([image, cpus, memoryMiB, interpreter]);
}

/** Also the name of its folder. */
export function templateKey(kind: TemplateKind, { imageDigest, bootDigest, vmm }: Ingredients): string {
  const { cpus, memoryMiB, interpreter } = kind;
  const facts = JSON.stringify([imageDigest, bootDigest, vmm, cpus, memoryMiB, interpreter]);
  return createHash('sha256').update(facts).digest('hex').slice(0, keyLength);
}
