// Makes the templates that are wanted, one at a time: boots a machine of the kind, lets it come to rest, snapshots it.
// Invariant: the machine it uses is destroyed however that ends; after a crash its label tells whose it was.
import { randomUUID } from 'node:crypto';
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { Machines } from '../machines/machines.ts';
import type { SnapshotStore } from '../snapshots/snapshot-store.ts';
import type { Templates, WantedTemplate } from './templates.ts';

export const templateOwner = 'template';

export interface TemplateBuilderDeps {
  machines: Machines;
  templates: Templates;
  store: SnapshotStore;
  clock: Clock;
  log: Logger;
}

/** Works until the signal aborts. */
export async function buildTemplates(deps: TemplateBuilderDeps, signal: AbortSignal): Promise<void> {
  const { templates, clock, log } = deps;
  for (let wanted = await templates.next(signal); wanted; wanted = await templates.next(signal)) {
    const beganMs = clock.now();
    try {
      await build(deps, wanted, signal);
      await templates.made(wanted.key);
      log.info({ ...wanted.kind, template: wanted.key, afterMs: clock.now() - beganMs }, 'made a template');
    } catch (thrown) {
      if (signal.aborted) return;
      const error = TvmError.from(thrown);
      templates.failed(wanted.key, error.message);
      log.warn({ err: error, ...wanted.kind, template: wanted.key }, 'no template could be made');
    }
  }
}

async function build(deps: TemplateBuilderDeps, { key, kind }: WantedTemplate, signal: AbortSignal): Promise<void> {
  const { machines, store } = deps;
  const uid = `template-${key}-${randomUUID().slice(0, 8)}`;
  const spec = { ...kind, command: [], args: [], hostname: templateOwner, snapshot: '', standby: true, template: true };
  await machines.create({ uid, generation: 1, spec, labels: { owner: templateOwner } }, {});
  try {
    await untilPaused(machines, uid, signal);
    await machines.snapshotTo(store, uid, 1, key);
  } finally {
    await machines.destroy(uid, 1);
  }
}

async function untilPaused(machines: Machines, uid: string, signal: AbortSignal): Promise<void> {
  for await (const { record } of machines.watch(signal)) {
    if (record?.uid !== uid) continue;
    if (record.state === 'paused') return;
    if (record.state === 'creating') continue;
    const message = `the machine for the template is ${record.state}: ${record.reason} ${record.message}`;
    throw new TvmError(record.errorCode || 'unavailable', message);
  }
  throw new TvmError('canceled', 'flintlock stops');
}
