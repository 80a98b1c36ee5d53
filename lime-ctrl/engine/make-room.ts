// Which waiting machines must go so that another machine has room: a pure function. As few as possible, and none when that is no help.
import { capableNodes, type Demand, type ObservedNode, takesMachines } from '../placement/place.ts';
import type { PoolMachine } from './pool-plan.ts';

/** `waiting` in the order in which they may go. */
export function makeRoom(
  demand: Demand,
  nodes: readonly ObservedNode[],
  waiting: readonly PoolMachine[],
): PoolMachine[] {
  const choices = capableNodes(demand, nodes).flatMap((node) => {
    if (!takesMachines(node) || demand.cpu > node.cpus) return [];
    const going = goingFrom(
      demand,
      node,
      waiting.filter((machine) => machine.node === node.name),
    );
    return going ? [going] : [];
  });
  return choices.toSorted((a, b) => a.length - b.length)[0] ?? [];
}

function goingFrom(demand: Demand, node: ObservedNode, waiting: readonly PoolMachine[]): PoolMachine[] | undefined {
  let { memoryFreeMiB, machines } = node;
  const going: PoolMachine[] = [];
  const fits = () => memoryFreeMiB >= demand.memory && (node.machineLimit === 0 || machines < node.machineLimit);
  for (const machine of waiting) {
    if (fits()) break;
    going.push(machine);
    memoryFreeMiB += machine.shape.memory;
    machines -= 1;
  }
  return fits() ? going : undefined;
}
