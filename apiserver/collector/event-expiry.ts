// Events are kept for an hour after they were last told, as a Kubernetes API server keeps them.
import type { Logger } from '@tvm/kit/log.ts';
import { type ApiObject, nameOf, namespaceOf } from '../objects/api-object.ts';
import type { Services } from '../objects/services.ts';

export const eventLifetimeMs = 3_600_000;
const lookIntervalMs = 60_000;
const batch = 500;

/** Looks once a minute until disposed. */
export function startEventExpiry(services: Services, log: Logger): Disposable {
  const look = () => {
    try {
      expireEvents(services);
    } catch (error) {
      log.error({ err: error }, 'old events could not be removed');
    }
  };
  const timer = setInterval(look, lookIntervalMs);
  look();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Removes every event whose hour is over. */
export function expireEvents({ store, clock }: Services): void {
  const storage = 'events';
  const nowMs = clock.now();
  const { revision } = store;
  let after: { namespace: string; name: string } | undefined;
  for (;;) {
    const { objects, more } = store.page({ storage, revision, after, limit: batch });
    for (const event of objects) {
      if (lastToldMs(event, nowMs) < nowMs - eventLifetimeMs) store.remove(storage, event, event);
    }
    const last = objects.at(-1);
    if (!more || !last) return;
    after = { namespace: namespaceOf(last), name: nameOf(last) };
  }
}

/** When the event was created or last written. Of a time that a client made up, the future counts for nothing. */
function lastToldMs({ metadata }: ApiObject, nowMs: number): number {
  const writes = (metadata.managedFields ?? []).map(({ time }) => time);
  const times = [metadata.creationTimestamp, ...writes].map((time) => Date.parse(time ?? ''));
  return Math.max(...times.filter((time) => time <= nowMs));
}
