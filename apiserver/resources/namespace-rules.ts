// Namespaces: labelled with their name, Active until deleted, and ended only when they are empty.
import { isJsonObject, type ObjectMetadata } from '../objects/api-object.ts';
import type { Rules } from './resource.ts';

/** Holds a namespace until what is in it is gone; stands in spec.finalizers. */
export const namespaceFinalizer = 'kubernetes';

const nameLabel = 'kubernetes.io/metadata.name';

export const namespaceRules: Rules = {
  nameIsLabel: true,
  deletedOneByOne: true,
  prepareCreate(object) {
    const spec = isJsonObject(object.spec) ? object.spec : {};
    const finalizers = new Set([...((spec.finalizers as string[]) ?? []), namespaceFinalizer]);
    object.spec = { ...spec, finalizers: [...finalizers] };
    object.status = { phase: 'Active' };
    labelWithName(object.metadata);
  },
  prepareUpdate(object, live) {
    object.spec = live.spec;
    labelWithName(object.metadata);
  },
  protects: (name) => (['default', 'kube-system'].includes(name) ? 'this namespace may not be deleted' : undefined),
};

function labelWithName(metadata: ObjectMetadata): void {
  if (metadata.name) metadata.labels = { ...metadata.labels, [nameLabel]: metadata.name };
}
