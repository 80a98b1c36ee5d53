// vm://self/...: what the machine is, uses, runs, and may do.
import type { SessionContext } from '../../contract.ts';
import { listFiles } from '../../machine/files.ts';
import { makeGuest, type Place } from '../../machine/guest.ts';
import type { ServerDeps } from '../build-server.ts';
import { metricsOf } from '../tools/machine/vm-metrics.ts';
import { statusOf } from '../tools/machine/vm-status.ts';
import { ownProcesses } from '../tools/processes/list-processes.ts';
import type { SelfView } from './resource-uri.ts';

export async function readSelf(deps: ServerDeps, context: SessionContext, view: SelfView): Promise<unknown> {
  const guest = makeGuest(context, deps.clientOf);
  switch (view) {
    case 'status':
      return statusOf(await guest.place());
    case 'metrics':
      return metricsOf(await guest.place());
    case 'processes':
      return { processes: await ownProcesses({ guest, deps, context }) };
    case 'ports':
      return { ports: [], note: 'The machine has no network: no port of it can be reached from outside.' };
    case 'policy':
      return policyOf(context, await hasNetwork(await guest.place()));
  }
}

function policyOf({ scopes }: SessionContext, network: boolean): unknown {
  return {
    network: network ? 'a network interface' : 'none: the machine reaches nothing, and nothing reaches it',
    scopes: [...scopes].sort(),
    outputKeptBytes: 262_144,
    keptProcesses: 64,
    rememberedEndedProcesses: 32,
  };
}

/** Whether it has an interface beside the one to itself. */
export async function hasNetwork(place: Place): Promise<boolean> {
  const interfaces = await listFiles(place, '/sys/class/net', 1).catch(() => []);
  return interfaces.some(({ path }) => path !== '/sys/class/net/lo');
}
