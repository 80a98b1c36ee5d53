// Whether a machine is idle by the policy of its MicroVM. Pure.
//
//   in use ──idleTimeoutSeconds without exec, files, or a change of the object──▶ idle ──next exec or file request──▶ in use
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import type { ObservedMachine } from './world.ts';

/** Ms left until it is idle; 0: it is; undefined: it never will be. */
export function idleLeftMs({ spec }: MicroVm, machine: ObservedMachine, nowMs: number): number | undefined {
  if (spec.idleTimeoutSeconds === undefined || machine.startedAtMs === 0) return undefined;
  if (machine.openCalls > 0) return spec.idleTimeoutSeconds * 1000;
  const usedAtMs = Math.max(machine.lastActiveAtMs, machine.startedAtMs);
  return Math.max(0, usedAtMs + spec.idleTimeoutSeconds * 1000 - nowMs);
}
