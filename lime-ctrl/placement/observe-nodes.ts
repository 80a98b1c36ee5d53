// The nodes as placement sees them. Invariant: reads what the fleet last heard, asks nobody.
import { TemplateState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { Fleet } from '../flintlock/fleet.ts';
import type { ObservedNode } from './place.ts';

/** `namespace`: of whose machines there should be few on one node. */
export function observeNodes(fleet: Fleet, namespace?: string): ObservedNode[] {
  return fleet.nodes().map(({ name, reachable, sinceMs, cordoned, draining, info }) => ({
    name,
    reachable,
    sinceMs,
    cordoned,
    draining,
    cpus: info?.cpus ?? 0,
    memoryMiB: Number(info?.memoryMib ?? 0n),
    memoryFreeMiB: fleet.memoryFreeMiB(name),
    machines: fleet.countOn(name),
    machinesAlike: namespace === undefined ? 0 : fleet.countOn(name, namespace),
    machineLimit: info?.machineLimit ?? 0,
    networksUnavailable: info?.networksUnavailable ?? '',
    limitsUnavailable: info?.limitsUnavailable ?? '',
    images: info?.images ?? [],
    ...(info && { retainedDisks: info.retainedDisks }),
    templates: (info?.templates ?? [])
      .filter(({ state }) => state === TemplateState.READY)
      .map(({ image, cpus, memoryMib, interpreter }) => ({ image, cpu: cpus, memory: memoryMib, interpreter })),
  }));
}
