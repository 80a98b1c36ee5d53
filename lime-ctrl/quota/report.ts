// Writes into each ResourceQuota how much of our limits is used, so that "kubectl describe resourcequota" tells it. Kubernetes
// keeps what it does not count itself. Invariant: a status is written only when it differs; without the right to write
// it nothing else suffers.
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Reflector } from '@tvm/kit/controller/reflector.ts';
import { type KubeClient, keyOf } from '@tvm/kit/kube/client.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { measures, nameOf, quantityOf, type ResourceQuota, resourceQuotas, type Size } from './limits.ts';
import { parseQuantity } from './quantity.ts';
import type { Quota } from './quota.ts';

const everyMs = 5_000;

export interface ReportDeps {
  client: KubeClient;
  quotas: Pick<Reflector<ResourceQuota>, 'list'>;
  quota: Pick<Quota, 'used'>;
  clock: Clock;
  log: Logger;
}

/** Runs until the signal aborts. */
export async function reportQuotas(
  { client, quotas, quota, clock, log }: ReportDeps,
  signal: AbortSignal,
): Promise<void> {
  let told = false;
  while (!signal.aborted) {
    for (const found of quotas.list()) {
      const changed = withUsed(found, quota.used(found.metadata.namespace ?? ''));
      if (!changed) continue;
      try {
        await client.updateStatus(resourceQuotas, changed);
      } catch (thrown) {
        const error = TvmError.from(thrown);
        // Another wrote it first, or it is gone: the next round sees.
        if (error.code === 'aborted' || error.code === 'not_found') continue;
        if (!told) log.warn({ why: error.message, quota: keyOf(found) }, 'ResourceQuotas do not tell what is used');
        told = true;
      }
    }
    await clock.sleep(everyMs, signal);
  }
}

/** The object with what is used of the limits that it names; undefined when it says so already. */
export function withUsed(found: ResourceQuota, used: Size): ResourceQuota | undefined {
  const named = measures.filter((measure) => found.spec?.hard?.[nameOf(measure)] !== undefined);
  const said = found.status?.used ?? {};
  const differs = named.some((measure) => parseQuantity(String(said[nameOf(measure)])) !== used[measure]);
  if (!differs) return undefined;
  const now = Object.fromEntries(named.map((measure) => [nameOf(measure), quantityOf(measure, used[measure])]));
  return { ...found, status: { ...found.status, used: { ...said, ...now } } };
}
