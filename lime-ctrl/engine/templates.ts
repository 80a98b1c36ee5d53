// What nodes tell of their templates: whether machines of a kind are restored, or will be soon. Pure.
import { TemplateState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { NodeView } from '../flintlock/fleet.ts';
import type { Shape } from './shape.ts';

/** A template of such machines is being made, and none is there yet: what is booted meanwhile delays it. */
export function isTemplateBuilding({ image, cpu, memory, interpreter }: Shape, nodes: readonly NodeView[]): boolean {
  const states = nodes
    .flatMap(({ reachable, info }) => (reachable && info ? info.templates : []))
    .filter((each) => each.image === image && each.cpus === cpu && each.memoryMib === memory)
    .filter((each) => each.interpreter === interpreter)
    .map(({ state }) => state);
  return states.includes(TemplateState.BUILDING) && !states.includes(TemplateState.READY);
}
