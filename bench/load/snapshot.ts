// A snapshot of a machine that runs: how long until it can be used.
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import type { MicroVmSnapshot } from '@tvm/api/kinds/microvm-snapshot.ts';
import type { Resource } from '@tvm/kit/kube/client.ts';
import { makeHttpsClient } from '@tvm/kit/kube/https-client.ts';
import { loadKubeConfig } from '@tvm/kit/kube/kube-config.ts';
import type { Service } from '../product/service.ts';
import { until } from '../product/waiting.ts';
import { withDeclaredMachine } from './declared-machine.ts';
import type { Probe } from './probe.ts';

const snapshots: Resource<MicroVmSnapshot> = {
  ...{ apiVersion, kind: 'MicroVMSnapshot', plural: 'microvmsnapshots', namespaced: true },
};
const namespace = 'default';
const mib = 1024 * 1024;
const deadlineMs = 60_000;

export function makeSnapshotProbe(service: () => Promise<Service>): Probe {
  return {
    id: 'snapshot',
    name: 'snapshot of a running machine',
    what: 'a MicroVMSnapshot is created, until it is ready to use',
    run: async () => {
      const { rest, state } = await service();
      using client = makeHttpsClient(loadKubeConfig(state().kubeconfig ?? ''));
      return await withDeclaredMachine(rest, async (name) => {
        const began = performance.now();
        const spec = { source: { microVM: name }, deletionPolicy: 'Delete' as const };
        await client.create(snapshots, { apiVersion, kind: 'MicroVMSnapshot', metadata: { name, namespace }, spec });
        try {
          const status = async () => (await client.get(snapshots, namespace, name)).status ?? {};
          await until('the snapshot is ready', async () => isReady(await status()), deadlineMs);
          const tookMs = performance.now() - began;
          const { sizeBytes = 0 } = await status();
          return [
            { id: 'create', name: 'until ready to use', value: tookMs, unit: 'ms' },
            { id: 'size', name: 'on disk', value: sizeBytes / mib, unit: 'MB' },
          ];
        } finally {
          await client.delete(snapshots, namespace, name);
        }
      });
    },
  };
}

function isReady({ readyToUse, phase, conditions }: NonNullable<MicroVmSnapshot['status']>): boolean {
  if (phase === 'Failed')
    throw new Error(`the snapshot failed: ${conditions?.map(({ message }) => message).join(', ')}`);
  return readyToUse === true;
}
