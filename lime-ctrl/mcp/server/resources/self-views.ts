// vm://self/...: what the machine is, uses, runs, and may do.
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import type { SessionContext } from '../../contract.ts';
import { listFiles } from '../../machine/files.ts';
import { makeGuest, type Place } from '../../machine/guest.ts';
import { listeningPorts } from '../../machine/listening-ports.ts';
import type { ServerDeps } from '../build-server.ts';
import { getMicroVm } from '../tools/machine/microvm.ts';
import { metricsOf } from '../tools/machine/vm-metrics.ts';
import { statusNow } from '../tools/machine/vm-status.ts';
import { ownProcesses } from '../tools/processes/list-processes.ts';
import type { SelfView } from './resource-uri.ts';

const portsNote =
  'What listens on a TCP port inside the machine. The tool expose_port gives a URL for one on 127.0.0.1, ::1 or all addresses; the machine needs no network for that.';

export async function readSelf(deps: ServerDeps, context: SessionContext, view: SelfView): Promise<unknown> {
  const guest = makeGuest(context, deps.clientOf);
  switch (view) {
    case 'status':
      return statusNow({ guest, context });
    case 'metrics':
      return metricsOf(await guest.place());
    case 'processes':
      return { processes: await ownProcesses({ guest, deps, context }) };
    case 'ports':
      return { ports: await listeningPorts(await guest.place()), note: portsNote };
    case 'policy':
      return policyOf(context, await getMicroVm({ context, deps }));
  }
}

function policyOf({ scopes }: SessionContext, { spec }: MicroVm): unknown {
  return {
    network: { egress: spec.network?.egress ?? 'none', ...(spec.network?.allow && { allow: spec.network.allow }) },
    limits: spec.limits ?? {},
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
