// What a machine may take, as nodes are told and tell it. Pure.
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
