// What kind of machine one is. Machines of one shape are alike to whoever runs code in them.
import type { Machine } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { NetworkSpec } from '@tvm/api/kinds/network.ts';
import { networkKey } from '../network.ts';

export interface Shape {
  image: string;
  cpu: number;
  /** MB */
  memory: number;
  /** The interpreter that waits in it for a script: "python", "node"; none: "". */
  interpreter: string;
  /** What it may reach; undefined: it has no network. None with one is ever kept waiting. */
  network?: NetworkSpec | undefined;
}

export function keyOfShape({ image, cpu, memory, interpreter, network }: Shape): string {
  return `${image}|${cpu}|${memory}|${interpreter}${network ? `|${networkKey(network)}` : ''}`;
}

/** Whether the same code runs in both, though one may start it more slowly. */
export function sameSize(a: Shape, b: Shape): boolean {
  const alike = a.image === b.image && a.cpu === b.cpu && a.memory === b.memory;
  return alike && networkKey(a.network) === networkKey(b.network);
}

export function shapeOf({ spec }: Machine): Shape {
  const { image = '', cpus = 0, memoryMib = 0, interpreter = '', network } = spec ?? {};
  const shape = { image, cpu: cpus, memory: memoryMib, interpreter };
  return network ? { ...shape, network: network as NetworkSpec } : shape;
}
