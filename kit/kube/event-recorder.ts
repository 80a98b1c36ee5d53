// Events of objects, written in the background. Invariant: recording never waits, never fails its caller, is bounded:
// the same Event within ten minutes counts up, an object gets 25 and then one a minute, and a full queue drops the newest.
import { randomBytes } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { type ApiObject, events, type KubeClient, type KubeEvent, referenceTo } from './client.ts';

const aggregateMs = 600_000;
const burst = 25;
const refillMs = 60_000;
const maxPending = 1000;
const maxKnown = 4096;

export interface EventIntent {
  type: 'Normal' | 'Warning';
  /** CamelCase, one word. */
  reason: string;
  message: string;
}

export interface EventRecorder {
  record(object: ApiObject, event: EventIntent): void;
  /** Resolves when all that was recorded is written or given up. */
  flush(): Promise<void>;
}

interface Deps {
  client: KubeClient;
  clock: Clock;
  log: Logger;
  /** Who reports, e.g. "lime-ctrl". */
  component: string;
  /** Which of them. */
  instance: string;
}

export function makeEventRecorder(deps: Deps): EventRecorder {
  const known = new Map<string, { event: KubeEvent; atMs: number }>();
  const budgets = new Map<string, { left: number; atMs: number }>();
  let pending = 0;
  let writing: Promise<void> = Promise.resolve();

  function withinBudget(object: string): boolean {
    const nowMs = deps.clock.now();
    const budget = budgets.get(object) ?? { left: burst, atMs: nowMs };
    const left = Math.min(burst, budget.left + (nowMs - budget.atMs) / refillMs);
    remember(budgets, object, { left: left >= 1 ? left - 1 : left, atMs: nowMs });
    return left >= 1;
  }

  async function write(object: ApiObject, intent: EventIntent): Promise<void> {
    const key = JSON.stringify([object.metadata.uid, intent]);
    const now = new Date(deps.clock.now()).toISOString();
    const before = known.get(key);
    const repeated = before && deps.clock.now() - before.atMs < aggregateMs;
    const event = repeated
      ? await deps.client.patch(events, before.event.metadata.namespace ?? '', before.event.metadata.name, {
          count: before.event.count + 1,
          lastTimestamp: now,
        })
      : await deps.client.create(events, newEvent(deps, object, intent, now));
    remember(known, key, { event, atMs: deps.clock.now() });
  }

  return {
    record(object, intent) {
      if (pending >= maxPending || !withinBudget(object.metadata.uid ?? '')) {
        deps.log.debug({ object: object.metadata.name, event: intent.reason }, 'event dropped');
        return;
      }
      pending += 1;
      writing = writing
        .then(() => write(object, intent))
        .catch((error) =>
          deps.log.warn({ err: error, object: object.metadata.name, event: intent.reason }, 'event not written'),
        )
        .finally(() => {
          pending -= 1;
        });
    },
    flush: () => writing,
  };
}

function newEvent(deps: Deps, object: ApiObject, intent: EventIntent, now: string): KubeEvent {
  const namespace = object.metadata.namespace ?? 'default';
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${object.metadata.name}.${randomBytes(8).toString('hex')}`, namespace },
    involvedObject: referenceTo(object),
    ...intent,
    message: intent.message.slice(0, 1024),
    count: 1,
    firstTimestamp: now,
    lastTimestamp: now,
    source: { component: deps.component },
    reportingComponent: deps.component,
    reportingInstance: deps.instance,
  };
}

/** Sets `key` as the newest and forgets the oldest over the bound. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > maxKnown) map.delete(map.keys().next().value as string);
}
