// Which waiting machines must go so that a run gets one: a pure function. As few as possible, and none when that is no help.
import type { ObservedNode } from '../placement/place.ts';
import type { PoolMachine } from './pool-plan.ts';
import type { Shape } from './shape.ts';

/** `waiting` in the order in which they may go. */
export function makeRoom(shape: Shape, nodes: readonly ObservedNode[], waiting: readonly PoolMachine[]): PoolMachine[] {
  const choices = nodes.flatMap((node) => {
    if (!node.reachable || shape.cpu > node.cpus) return [];
    const going = goingFrom(
      shape,
      node,
      waiting.filter((machine) => machine.node === node.name),
    );
    return going ? [going] : [];
  });
  return choices.toSorted((a, b) => a.length - b.length)[0] ?? [];
}

function goingFrom(shape: Shape, node: ObservedNode, waiting: readonly PoolMachine[]): PoolMachine[] | undefined {
  let { memoryFreeMiB, machines } = node;
  const going: PoolMachine[] = [];
  const fits = () => memoryFreeMiB >= shape.memory && (node.machineLimit === 0 || machines < node.machineLimit);
  for (const machine of waiting) {
    if (fits()) break;
    going.push(machine);
    memoryFreeMiB += machine.shape.memory;
    machines -= 1;
  }
  return fits() ? going : undefined;
}
