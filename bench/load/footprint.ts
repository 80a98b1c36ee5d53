// What a service has on the host and in its API at one moment: what must not grow. Read from /proc and the API.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  events,
  leases,
  mcpSessions,
  microVmPools,
  microVmSnapshots,
  microVms,
  type Resource,
  secrets,
} from '@tvm/kit/kube/client.ts';
import { makeHttpsClient } from '@tvm/kit/kube/https-client.ts';
import { loadKubeConfig } from '@tvm/kit/kube/kube-config.ts';
import { processesOf, residentMiB } from '@tvm/test/e2e/host-facts.ts';
import type { Service } from '../product/service.ts';
import type { Figure } from './probe.ts';

export interface Footprint {
  /** Resident memory, MB, by part. */
  residentMiB: Record<string, number>;
  /** Open descriptors, by part. */
  descriptors: Record<string, number>;
  processes: number;
  machineFolders: number;
  objects: number;
}

export async function footprintOf(service: Service): Promise<Footprint> {
  const { pid, parts, kubeconfig = '' } = service.state();
  const pids: [string, number][] = [['supervisor', pid]];
  for (const [name, part] of Object.entries(parts)) if (part?.pid !== undefined) pids.push([name, part.pid]);
  return {
    residentMiB: Object.fromEntries(pids.map(([name, each]) => [name, residentMiB(each)])),
    descriptors: Object.fromEntries(pids.map(([name, each]) => [name, readdirSync(`/proc/${each}/fd`).length])),
    processes: processesOf(service.home).length,
    machineFolders: readdirSync(join(service.home, 'flintlock/machines')).length,
    objects: await countObjects(kubeconfig),
  };
}

async function countObjects(kubeconfig: string): Promise<number> {
  using client = makeHttpsClient(loadKubeConfig(kubeconfig));
  const kinds = [microVms, microVmPools, microVmSnapshots, mcpSessions, secrets, events, leases] as Resource<never>[];
  const counts = await Promise.all(kinds.map(async (kind) => (await client.list(kind)).items.length));
  return counts.reduce((sum, count) => sum + count, 0);
}

const total = (byPart: Record<string, number>) => Object.values(byPart).reduce((sum, each) => sum + each, 0);

/** What has become more. `memory` is in percent of what it was. */
export function growthOf(before: Footprint, after: Footprint): Figure[] {
  const parts = Object.keys(before.residentMiB).map((part) => {
    const [was, is] = [before.residentMiB[part] ?? 0, after.residentMiB[part] ?? 0];
    return { id: `memory-${part}`, name: `memory of ${part} (${was.toFixed(0)} before)`, value: is, unit: 'MB' };
  });
  const growth = (id: 'processes' | 'machineFolders' | 'objects', name: string) => ({
    ...{ id, name: `${name}, growth (${before[id]} before)`, value: after[id] - before[id], unit: '' },
  });
  const [descriptorsBefore, descriptorsAfter] = [total(before.descriptors), total(after.descriptors)];
  return [
    ...parts,
    {
      ...{ id: 'memory', name: 'memory of all, growth', unit: '%' },
      value: (100 * (total(after.residentMiB) - total(before.residentMiB))) / total(before.residentMiB),
    },
    {
      ...{ id: 'descriptors', name: `open descriptors, growth (${descriptorsBefore} before)`, unit: '' },
      value: descriptorsAfter - descriptorsBefore,
    },
    growth('processes', 'processes'),
    growth('machineFolders', 'machine folders'),
    growth('objects', 'objects'),
  ];
}
