// Owner references: dependents of what is gone are deleted, owners that wait for their dependents are let go.
import {
  type ApiObject,
  finalizersOf,
  isBeingDeleted,
  nameOf,
  namespaceOf,
  type OwnerReference,
  ownersOf,
} from '../objects/api-object.ts';
import { deleteObject, foregroundFinalizer, orphanFinalizer } from '../objects/delete.ts';
import type { WriteRequest } from '../objects/request.ts';
import type { Services } from '../objects/services.ts';
import { changeObject } from '../objects/update.ts';

interface Found {
  storage: string;
  object: ApiObject;
}

/** Dependents of an object that no longer exists. */
export function collectDependents(services: Services, ownerUid: string): void {
  for (const dependent of services.store.dependentsOf(ownerUid)) collect(services, dependent);
}

/** Deletes an object whose owners are all gone, and takes away references to the gone ones otherwise. */
export function collectIfOrphaned(services: Services, uid: string): void {
  const found = services.store.getByUid(uid);
  if (found && !isBeingDeleted(found.object)) collect(services, found);
}

function collect(services: Services, found: Found): void {
  const owners = ownersOf(found.object);
  const living = owners.filter((owner) => exists(services, owner, found.object));
  const isWaitedFor = living.some((owner) => waitsForeground(services, owner));
  if (living.length === owners.length && !isWaitedFor) return;
  if (living.length > 0) {
    if (living.length < owners.length) setOwners(services, found, living);
    return;
  }
  remove(services, found, isWaitedFor ? 'Foreground' : undefined);
}

/** An owner exists under its uid, in the dependent's namespace or cluster-wide, and is of the kind that it is said to be. */
function exists({ store, registry }: Services, owner: OwnerReference, dependent: ApiObject): boolean {
  const resource = registry.findKind(owner.apiVersion, owner.kind);
  if (!resource) return true; // a kind of which nothing is known is never reason to delete
  const found = store.getByUid(owner.uid);
  if (!found || found.storage !== resource.storage) return false;
  const namespace = namespaceOf(found.object);
  return nameOf(found.object) === owner.name && (namespace === '' || namespace === namespaceOf(dependent));
}

function waitsForeground({ store }: Services, owner: OwnerReference): boolean {
  const found = store.getByUid(owner.uid);
  return (
    found !== undefined && isBeingDeleted(found.object) && finalizersOf(found.object).includes(foregroundFinalizer)
  );
}

/** Moves an owner on that is being deleted and holds for its dependents. */
export function finishOwner(services: Services, uid: string): void {
  const owner = services.store.getByUid(uid);
  if (!owner || !isBeingDeleted(owner.object)) return;
  const dependents = services.store.dependentsOf(uid);
  if (finalizersOf(owner.object).includes(orphanFinalizer)) {
    for (const dependent of dependents) {
      setOwners(
        services,
        dependent,
        ownersOf(dependent.object).filter((one) => one.uid !== uid),
      );
    }
    dropFinalizer(services, uid, orphanFinalizer);
  } else if (finalizersOf(owner.object).includes(foregroundFinalizer)) {
    finishForeground(services, uid, dependents);
  }
}

function finishForeground(services: Services, uid: string, dependents: Found[]): void {
  for (const dependent of dependents) {
    const others = ownersOf(dependent.object).filter((one) => one.uid !== uid);
    const kept = others.filter((one) => exists(services, one, dependent.object) && !waitsForeground(services, one));
    if (kept.length > 0) setOwners(services, dependent, others);
    else if (!isBeingDeleted(dependent.object)) remove(services, dependent, 'Foreground');
  }
  const blocking = services.store
    .dependentsOf(uid)
    .filter(({ object }) => ownersOf(object).some((one) => one.uid === uid && one.blockOwnerDeletion));
  if (blocking.length === 0) dropFinalizer(services, uid, foregroundFinalizer);
}

function dropFinalizer(services: Services, uid: string, finalizer: string): void {
  const found = services.store.getByUid(uid);
  if (!found) return;
  const next = structuredClone(found.object);
  next.metadata.finalizers = finalizersOf(next).filter((one) => one !== finalizer);
  changeObject(services, requestFor(services, found), found.object, next);
}

function setOwners(services: Services, found: Found, owners: readonly OwnerReference[]): void {
  const next = structuredClone(found.object);
  next.metadata.ownerReferences = [...owners];
  changeObject(services, requestFor(services, found), found.object, next);
}

export function remove(services: Services, found: Found, propagationPolicy: 'Foreground' | undefined): void {
  deleteObject(services, requestFor(services, found), {
    propagationPolicy: propagationPolicy ?? 'Background',
    preconditions: { uid: found.object.metadata.uid ?? '' },
  });
}

function requestFor({ registry }: Services, { storage, object }: Found): WriteRequest {
  return {
    resource: registry.ofStorage(storage),
    namespace: namespaceOf(object),
    name: nameOf(object),
    subresource: '',
    dryRun: false,
    manager: 'tvm-apiserver',
    fieldValidation: 'Ignore',
    force: false,
    warnings: [],
  };
}
