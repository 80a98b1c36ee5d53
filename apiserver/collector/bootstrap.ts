// The namespaces that always exist.
import { createObject } from '../objects/create.ts';
import type { WriteRequest } from '../objects/request.ts';
import type { Services } from '../objects/services.ts';

const names = ['default', 'kube-system'];

/** On a new database their making is not history: every client has to list first. */
export function ensureNamespaces(services: Services): void {
  const { store, registry } = services;
  const resource = registry.ofStorage('namespaces');
  const isNew = store.revision === 1;
  for (const name of names) {
    if (store.get({ storage: 'namespaces', namespace: '', name })) continue;
    const request: WriteRequest = {
      resource,
      namespace: '',
      name: '',
      subresource: '',
      dryRun: false,
      manager: 'tvm-apiserver',
      fieldValidation: 'Ignore',
      force: false,
      warnings: [],
    };
    createObject(services, request, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
  if (isNew) store.compact(store.revision);
}
