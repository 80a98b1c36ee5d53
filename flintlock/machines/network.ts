// The network of a machine during its life. Invariant: it is made before the VM is there, and anew for every start.
import { guestNetwork } from '../network/commands.ts';
import type { Networks } from '../network/networks.ts';
import type { VmSpec } from '../vmm/driver.ts';
import type { Machine } from './machine.ts';
import type { MachineRecord } from './record.ts';

interface NetworkDeps {
  networks: Networks;
}

/** What the VM gets of it. Throws as `Networks.make`. */
export async function connectNetwork({ networks }: NetworkDeps, machine: Machine): Promise<Pick<VmSpec, 'network'>> {
  const { id, spec } = machine.record;
  if (!spec.network) return {};
  const { vm: network, address } = await networks.make(id, spec.network, spec.limits?.networkBytesPerSecond);
  machine.change({ address });
  return { network };
}

export async function disconnectNetwork({ networks }: NetworkDeps, machine: Machine): Promise<void> {
  const { id, spec, address } = machine.record;
  if (!spec.network) return;
  await networks.remove(id);
  if (address !== '') machine.change({ address: '' });
}

/** What its agent is told of the interface, after a boot as after a restore. */
export function networkOf({ spec }: MachineRecord): { network?: typeof guestNetwork } {
  return spec.network ? { network: guestNetwork } : {};
}
