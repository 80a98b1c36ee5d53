// Keeps objects whose spec means nothing away from their controller, and tells so on the object. Invariant: such an object
// changes nothing but its own status, and can be deleted as any other.
import type { Condition, KubeObject } from '@tvm/api/kinds/meta.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Reconcile } from '@tvm/kit/controller/controller.ts';
import type { KubeClient, Resource } from '@tvm/kit/kube/client.ts';
import { withConditions } from '@tvm/kit/kube/conditions.ts';
import type { EventRecorder } from '@tvm/kit/kube/event-recorder.ts';
import { whyInvalid } from './checked-objects.ts';

const reason = 'InvalidSpec';

interface WithConditions {
  conditions?: Condition[] | undefined;
  observedGeneration?: number | undefined;
}

export interface RefuseDeps<T> {
  resource: Resource<KubeObject<unknown, unknown> & T>;
  get: (key: string) => T | undefined;
  client: KubeClient;
  recorder: EventRecorder;
  clock: Clock;
  /** What else the status of the kind says of it. */
  standing?: (message: string) => object;
}

/** The reconcile, for sound objects and for those that are being deleted. */
export function refuseInvalid<T extends KubeObject<unknown, WithConditions>>(
  deps: RefuseDeps<T>,
  reconcile: Reconcile,
): Reconcile {
  return async (key) => {
    const object = deps.get(key);
    const why = whyInvalid(object);
    if (!object || why === undefined || object.metadata.deletionTimestamp) return reconcile(key);
    await tell(deps, object, why);
    return {};
  };
}

async function tell<T extends KubeObject<unknown, WithConditions>>(
  { resource, client, recorder, clock, standing = () => ({}) }: RefuseDeps<T>,
  object: T,
  why: string,
): Promise<void> {
  const observedGeneration = object.metadata.generation ?? 0;
  const intent = { type: 'Ready', status: 'False' as const, reason, message: why, observedGeneration };
  const conditions = withConditions(object.status?.conditions, [intent], clock.now());
  if (conditions === object.status?.conditions) return;
  // First: an API server may refuse any write to an object that it finds invalid.
  recorder.record(object, { type: 'Warning', reason, message: why });
  await client.updateStatus(resource, {
    ...object,
    status: { ...object.status, ...standing(why), observedGeneration, conditions },
  });
}
