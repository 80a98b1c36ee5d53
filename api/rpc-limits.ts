// What a machine may take, as nodes are told and tell it. Pure.
import type { Limits } from './gen/tvm/flintlock/v1/flintlock_pb.js';
import type { MachineLimits } from './kinds/microvm.ts';

/** For a MachineSpec; 0 there is no limit. */
export function limitsMessage(limits: MachineLimits | undefined) {
  if (!limits) return {};
  const { cpuPercent = 0, diskIops = 0, diskBytesPerSecond = 0, networkBytesPerSecond = 0, processes = 0 } = limits;
  const bytes = {
    diskBytesPerSecond: BigInt(diskBytesPerSecond),
    networkBytesPerSecond: BigInt(networkBytesPerSecond),
  };
  return { limits: { cpuPercent, diskIops, processes, ...bytes } };
}

/** What a MachineSpec says, as it was declared. */
export function limitsIn(message: Limits): MachineLimits {
  const { cpuPercent, diskIops, diskBytesPerSecond, networkBytesPerSecond, processes } = message;
  const all = {
    ...{ cpuPercent, diskIops, processes },
    diskBytesPerSecond: Number(diskBytesPerSecond),
    networkBytesPerSecond: Number(networkBytesPerSecond),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value > 0));
}
