// What a template is of, and the name that follows from everything its content depends on. Pure.
// Invariant: two templates with one key can stand in for each other; whatever changes what a machine would be changes the key.
import { createHash } from 'node:crypto';
import type { MachineSpec } from '../machines/record.ts';
import { sealedOff } from '../network/policy.ts';

/** Machines of one kind start from the same template. Of its network only whether there is an interface counts. */
export type TemplateKind = Pick<MachineSpec, 'image' | 'cpus' | 'memoryMiB' | 'interpreter' | 'network'>;

/** What a template is made of besides its kind. */
export interface Ingredients {
  imageDigest: string;
  /** Kernel and guest agent. */
  bootDigest: string;
  /** The driver's fingerprint: VMM, its version, accelerator, processor. */
  vmm: string;
}

const keyLength = 24;

export function kindOf({ image, cpus, memoryMiB, interpreter, network }: TemplateKind): TemplateKind {
  return { image, cpus, memoryMiB, interpreter, ...(network && { network: sealedOff }) };
}

/** The same for equal kinds. */
export function nameOfKind({ image, cpus, memoryMiB, interpreter, network }: TemplateKind): string {
  return JSON.stringify([image, cpus, memoryMiB, interpreter, ...devices(network)]);
}

/** Also the name of its folder. */
export function templateKey(kind: TemplateKind, { imageDigest, bootDigest, vmm }: Ingredients): string {
  const { cpus, memoryMiB, interpreter, network } = kind;
  const facts = JSON.stringify([imageDigest, bootDigest, vmm, cpus, memoryMiB, interpreter, ...devices(network)]);
  return createHash('sha256').update(facts).digest('hex').slice(0, keyLength);
}

function devices(network: TemplateKind['network']): string[] {
  return network ? ['network'] : [];
}
