// The disks of a MicroVM, as its node knows them, and where a machine with disks may be: pure. Invariant: a machine is never
// made on another node than the one that has what was written on its disks; while that may be a node that does not answer, it waits.
import { type MicroVm, newDisksAnnotation } from '@tvm/api/kinds/microvm.ts';
import { type ConditionIntent, conditionOf } from '@tvm/kit/kube/conditions.ts';
import type { ObservedNode } from '../placement/place.ts';
import type { ObservedMachine } from './world.ts';

/** The nodes that may have its machine, or why none may. */
export type DiskPlaces = { nodes: readonly ObservedNode[] } | { nodes: undefined; message: string };

export function hasDisks({ spec }: MicroVm): boolean {
  return (spec.persistentStorage ?? []).length > 0;
}

export function hasRetainedDisks({ spec }: MicroVm): boolean {
  return (spec.persistentStorage ?? []).some(({ retain }) => retain);
}

/** As flintlock is asked for them. */
export function disksFor({ metadata, spec }: MicroVm) {
  return (spec.persistentStorage ?? []).map(({ name, sizeMB, mountPath, retain }) => ({
    name,
    sizeMib: sizeMB,
    mountPath,
    retainedAs: retain ? retainedKey(metadata.namespace ?? '', metadata.name, name) : '',
  }));
}

/** What a retained disk is called on its node. */
export function retainedKey(namespace: string, microVm: string, disk: string): string {
  return `${namespace}/${microVm}/${disk}`;
}

/** Names of disks that were declared larger than the machine has them. */
export function smallerDisks({ spec }: MicroVm, { disks = [] }: Pick<ObservedMachine, 'disks'>): string[] {
  const declared = new Map((spec.persistentStorage ?? []).map(({ name, sizeMB }) => [name, sizeMB]));
  return disks.filter(({ name, sizeMiB }) => sizeMiB < (declared.get(name) ?? 0)).map(({ name }) => name);
}

export const disksGrown = 'DisksGrown';

/** Whether its disks are as large as they are declared: said from the first time on that they are not. */
export function growthCondition(vm: MicroVm, machine: ObservedMachine | undefined): ConditionIntent | undefined {
  if (!machine) return undefined;
  const smaller = smallerDisks(vm, machine).join(', ');
  if (smaller !== '') {
    const message = `${smaller}: smaller than declared until the machine runs`;
    return { type: disksGrown, status: 'False', reason: 'Growing', message };
  }
  if (!conditionOf(vm.status?.conditions, disksGrown)) return undefined;
  return { type: disksGrown, status: 'True', reason: 'Grown', message: 'as large as declared' };
}

/** Once it has run, its disks are where it ran; before, retained ones of the same name may be somewhere. */
export function diskPlaces(vm: MicroVm, nodes: readonly ObservedNode[]): DiskPlaces {
  if (!hasDisks(vm)) return { nodes };
  const { host, startedAt } = vm.status ?? {};
  if (host !== undefined && startedAt !== undefined) {
    const home = nodes.filter(({ name, draining }) => name === host && !draining);
    if (home.length > 0) return { nodes: home };
    return {
      nodes: undefined,
      message: `its disks are on ${host}, which is not there: it starts again when that is back`,
    };
  }
  const keys = disksFor(vm).map(({ retainedAs }) => retainedAs);
  const kept = (node: ObservedNode) => node.retainedDisks?.some((key) => keys.includes(key)) ?? false;
  const holders = nodes.filter(kept);
  if (holders.length === 1) return { nodes: holders };
  if (holders.length === 0) return unseenDisks(vm, nodes) ?? { nodes };
  const names = holders.map(({ name }) => name).join(', ');
  return { nodes: undefined, message: `disks that were retained for it are on several nodes: ${names}` };
}

/** What a node that never answered has retained is not known: an empty disk elsewhere would pass for what was written. */
function unseenDisks(vm: MicroVm, nodes: readonly ObservedNode[]): DiskPlaces | undefined {
  const silent = nodes.filter(({ reachable, retainedDisks }) => !reachable && retainedDisks === undefined);
  const away = silent.map(({ name }) => name);
  if (!hasRetainedDisks(vm) || away.length === 0 || vm.metadata.annotations?.[newDisksAnnotation] === 'true') return;
  const message =
    `${away.join(', ')} may have disks that were retained for it, and does not answer: it starts when that is known. ` +
    `Annotate it with ${newDisksAnnotation}=true to have new, empty disks`;
  return { nodes: undefined, message };
}
