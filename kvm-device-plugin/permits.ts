// Permits: what the kubelet counts as devices. One device of the host serves any number of holders, and the kubelet can only
// count, so that N permits stand for it. Invariant: all of them are as healthy as the device.
import { TvmError } from '@tvm/api/errors.ts';
import type { Health } from './device/probe.ts';

export const resourceName = 'tvm.github.com/kvm';

export interface DeviceSpec {
  containerPath: string;
  hostPath: string;
  permissions: string;
}

/** `kvm-0` … */
export function permitIds(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `kvm-${index}`);
}

/** The list that ListAndWatch sends. */
export function listPermits(ids: readonly string[], health: Health): { id: string; health: string }[] {
  return ids.map((id) => ({ id, health: health.healthy ? 'Healthy' : 'Unhealthy' }));
}

/**
 * Allocate's answer: one entry a container of the request, in its order, each with all `devices`.
 * Throws TvmError: `not_found` for a permit that was never offered, `invalid_argument` for a container that asks for none.
 */
export function allocate(
  ids: readonly string[],
  containers: readonly { deviceIds: readonly string[] }[],
  devices: readonly DeviceSpec[],
): { devices: DeviceSpec[] }[] {
  return containers.map(({ deviceIds }) => {
    if (deviceIds.length === 0) throw new TvmError('invalid_argument', 'a container asks for no permit');
    const unknown = deviceIds.filter((id) => !ids.includes(id));
    if (unknown.length === 0) return { devices: [...devices] };
    throw new TvmError(
      'not_found',
      `no such permit of ${resourceName}: ${unknown.slice(0, 5).join(', ').slice(0, 200)}`,
    );
  });
}
