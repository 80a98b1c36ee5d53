// What the kubelet asks of a device plugin, apart from the wire.
import { TvmError } from '@tvm/api/errors.ts';
import type { DeviceWatch } from './device/device-watch.ts';
import { allocate, type DeviceSpec, listPermits } from './permits.ts';

type Containers = Parameters<typeof allocate>[1];

export interface PluginCalls {
  /** The permits now, and after each change; ends when `signal` aborts. */
  listAndWatch(signal: AbortSignal): AsyncIterable<{ devices: { id: string; health: string }[] }>;
  /** What each container gets. Throws TvmError: `unavailable` when the device does not work, and as `permits.allocate`. */
  allocate(containers: Containers): Promise<{ containerResponses: { devices: DeviceSpec[] }[] }>;
}

export interface PluginCallsDeps {
  permits: readonly string[];
  device: Pick<DeviceWatch, 'changes' | 'check'>;
  /** What a container with a permit gets now. */
  devicesForContainer: () => DeviceSpec[];
  onAllocated?: (result: 'ok' | 'refused') => void;
}

export function makePluginCalls(deps: PluginCallsDeps): PluginCalls {
  const { permits, device, devicesForContainer, onAllocated } = deps;

  async function answer(containers: Containers) {
    const health = await device.check();
    if (!health.healthy) throw new TvmError('unavailable', `no permit can be given: ${health.reason}`);
    return { containerResponses: allocate(permits, containers, devicesForContainer()) };
  }

  return {
    async *listAndWatch(signal) {
      for await (const health of device.changes(signal)) yield { devices: listPermits(permits, health) };
    },
    async allocate(containers) {
      try {
        const answered = await answer(containers);
        onAllocated?.('ok');
        return answered;
      } catch (error) {
        onAllocated?.('refused');
        throw error;
      }
    },
  };
}
