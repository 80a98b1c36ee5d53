// The end of a namespace: everything in it is deleted, then the namespace itself.
import { isBeingDeleted, isJsonObject } from '../objects/api-object.ts';
import type { Services } from '../objects/services.ts';
import { changeObject } from '../objects/update.ts';
import { namespaceFinalizer } from '../resources/namespace-rules.ts';
import { remove } from './dependents.ts';

const batch = 500;

/** Deletes up to a batch of what is in a namespace that is being deleted; each deletion calls for the next look. */
export function emptyNamespace(services: Services, name: string): void {
  const { store, registry } = services;
  const found = store.get({ storage: 'namespaces', namespace: '', name });
  if (!found || !isBeingDeleted(found)) return;
  const content = store.inNamespace(name, batch);
  for (const one of content) if (!isBeingDeleted(one.object)) remove(services, one, undefined);
  if (store.inNamespace(name, 1).length > 0) return;
  const spec = isJsonObject(found.spec) ? found.spec : {};
  const finalizers = Array.isArray(spec.finalizers) ? spec.finalizers.filter((one) => one !== namespaceFinalizer) : [];
  const request = {
    resource: registry.ofStorage('namespaces'),
    namespace: '',
    name,
    subresource: 'finalize',
    dryRun: false,
    manager: 'tvm-apiserver',
    fieldValidation: 'Ignore' as const,
    force: false,
    warnings: [],
  };
  changeObject(services, request, found, { ...found, spec: { ...spec, finalizers } });
}
