// Delete: at once, or a mark that finalizers hold; options decide what becomes of dependents.
import { notSupported } from '../status/field-error.ts';
import { conflict, forbidden, invalidObject } from '../status/status-error.ts';
import { type ApiObject, finalizersOf, isBeingDeleted, withoutEmptyMetadata } from './api-object.ts';
import { deepEqual } from './deep-equal.ts';
import type { Target } from './request.ts';
import { type Services, timestamp } from './services.ts';
import { hasEnded, liveObject } from './update.ts';

export type PropagationPolicy = 'Background' | 'Foreground' | 'Orphan';

export interface DeleteOptions {
  dryRun?: boolean;
  propagationPolicy?: string | undefined;
  preconditions?: { uid?: string; resourceVersion?: string } | undefined;
}

export const foregroundFinalizer = 'foregroundDeletion';
export const orphanFinalizer = 'orphan';
const policies = ['Foreground', 'Background', 'Orphan'];

export interface Deleted {
  object: ApiObject;
  /** False while finalizers hold the object. */
  gone: boolean;
}

/** Throws StatusError 403, 404, 409, 422. */
export function deleteObject(services: Services, target: Target, options: DeleteOptions): Deleted {
  const { resource, name } = target;
  checkPolicy(options);
  const live = liveObject(services, target);
  checkPreconditions(target, live, options);
  const why = resource.rules.protects?.(name);
  if (why) throw forbidden(resource, name, why);
  const marked = markDeleted(services, live, options);
  const gone = hasEnded(marked);
  if (options.dryRun) return { object: marked, gone };
  const { store } = services;
  const toStored = (object: ApiObject) => resource.rules.toStored?.(object) ?? object;
  if (gone) {
    const last = isBeingDeleted(live) || finalizersOf(live).length > 0 ? marked : live;
    return { object: store.remove(resource.storage, toStored(last), toStored(live)), gone };
  }
  if (deepEqual(marked, live)) return { object: live, gone };
  const stored = store.replace(resource.storage, toStored(marked), toStored(live));
  return { object: resource.rules.fromStored?.(stored) ?? stored, gone };
}

function checkPolicy({ propagationPolicy }: DeleteOptions): void {
  if (propagationPolicy === undefined || policies.includes(propagationPolicy)) return;
  const error = notSupported('propagationPolicy', propagationPolicy, [...policies, 'nil']);
  throw invalidObject({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', [error]);
}

function checkPreconditions({ resource, name }: Target, live: ApiObject, { preconditions }: DeleteOptions): void {
  const { uid, resourceVersion } = live.metadata;
  const kind = { group: resource.group, plural: resource.kind };
  if (preconditions?.uid && preconditions.uid !== uid) {
    const why = `the UID in the precondition (${preconditions.uid}) does not match the UID in record (${uid})`;
    throw conflict(kind, name, `${why}. The object might have been deleted and then recreated`);
  }
  const wanted = preconditions?.resourceVersion;
  if (wanted && wanted !== resourceVersion) {
    const found = `does not match the ResourceVersion in record (${resourceVersion})`;
    const why = `the ResourceVersion in the precondition (${wanted}) ${found}. The object might have been modified`;
    throw conflict(kind, name, why);
  }
}

function markDeleted({ clock }: Services, live: ApiObject, options: DeleteOptions): ApiObject {
  const marked = structuredClone(live);
  const { metadata } = marked;
  if (!isBeingDeleted(live)) {
    metadata.deletionTimestamp = timestamp(clock);
    if (live.kind !== 'Namespace') metadata.deletionGracePeriodSeconds = 0;
    if (metadata.generation !== undefined) metadata.generation += 1;
  }
  metadata.finalizers = finalizersFor(live, options.propagationPolicy);
  if (live.kind === 'Namespace') marked.status = { ...(live.status as object), phase: 'Terminating' };
  marked.metadata = withoutEmptyMetadata(metadata);
  return marked;
}

function finalizersFor(live: ApiObject, policy: string | undefined): string[] {
  const former = finalizersOf(live);
  if (policy === undefined) return [...former];
  const others = former.filter((one) => one !== foregroundFinalizer && one !== orphanFinalizer);
  if (policy === 'Foreground') return [...others, foregroundFinalizer];
  return policy === 'Orphan' ? [...others, orphanFinalizer] : others;
}
