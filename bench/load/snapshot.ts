// A snapshot of a machine that runs: how long until it can be used.
import type { SnapshotView } from '@tvm/api/rest/snapshots.ts';
import type { Service } from '../product/service.ts';
import { until } from '../product/waiting.ts';
import { withDeclaredMachine } from './declared-machine.ts';
import type { Probe } from './probe.ts';

const mib = 1024 * 1024;
const deadlineMs = 60_000;

export function makeSnapshotProbe(service: () => Promise<Service>): Probe {
  return {
    id: 'snapshot',
    name: 'snapshot of a running machine',
    what: 'POST /v1/microvms/NAME/snapshot until it is ready to use',
    run: async () => {
      const { rest } = await service();
      return await withDeclaredMachine(rest, async (machine) => {
        const began = performance.now();
        const { name } = await rest.json<SnapshotView>('POST', `/v1/microvms/${machine}/snapshot`, {});
        try {
          const status = async () => (await rest.json<SnapshotView>('GET', `/v1/snapshots/${name}`)).status;
          await until('the snapshot is ready', async () => isReady(await status()), deadlineMs);
          const tookMs = performance.now() - began;
          return [
            { id: 'create', name: 'until ready to use', value: tookMs, unit: 'ms' },
            { id: 'size', name: 'on disk', value: ((await status()).sizeBytes ?? 0) / mib, unit: 'MB' },
          ];
        } finally {
          await rest.json('DELETE', `/v1/snapshots/${name}`);
        }
      });
    },
  };
}

function isReady({ readyToUse, phase, conditions }: SnapshotView['status']): boolean {
  if (phase === 'Failed')
    throw new Error(`the snapshot failed: ${conditions?.map(({ message }) => message).join(', ')}`);
  return readyToUse === true;
}
