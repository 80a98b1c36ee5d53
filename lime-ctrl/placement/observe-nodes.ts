// The nodes as placement sees them. Invariant: reads what the fleet last heard, asks nobody.
import type { Fleet } from '../flintlock/fleet.ts';
import type { ObservedNode } from './place.ts';

export function observeNodes(fleet: Fleet): ObservedNode[] {
  const counts = new Map<string, number>();
  for (const { node } of fleet.machines()) counts.set(node, (counts.get(node) ?? 0) + 1);
  return fleet.nodes().map(({ name, reachable, sinceMs, info }) => ({
    name,
    reachable,
    sinceMs,
    cpus: info?.cpus ?? 0,
    memoryMiB: Number(info?.memoryMib ?? 0n),
    memoryFreeMiB: Number(info?.memoryFreeMib ?? 0n),
    machines: counts.get(name) ?? 0,
    machineLimit: info?.machineLimit ?? 0,
    images: info?.images ?? [],
  }));
}
