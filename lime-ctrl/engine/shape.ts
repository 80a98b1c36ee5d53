// What kind of machine one is. Machines of one shape are alike to whoever runs code in them.
import type { Machine } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';

export interface Shape {
  image: string;
  cpu: number;
  /** MB */
  memory: number;
  /** The interpreter that waits in it for a script: "python", "node"; none: "". */
  interpreter: string;
}

export function keyOfShape({ image, cpu, memory, interpreter }: Shape): string {
  return `${image}|${cpu}|${memory}|${interpreter}`;
}

/** Whether the same code runs in both, though one may start it more slowly. */
export function sameSize(a: Shape, b: Shape): boolean {
  return a.image === b.image && a.cpu === b.cpu && a.memory === b.memory;
}

export function shapeOf({ spec }: Machine): Shape {
  const { image = '', cpus = 0, memoryMib = 0, interpreter = '' } = spec ?? {};
  return { image, cpu: cpus, memory: memoryMib, interpreter };
}
