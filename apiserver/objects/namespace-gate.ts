// Objects are only made in namespaces that exist and are not on their way out.
import { forbidden, notFound } from '../status/status-error.ts';
import { isBeingDeleted } from './api-object.ts';
import type { WriteRequest } from './request.ts';
import type { Services } from './services.ts';

const namespaces = { group: '', plural: 'namespaces' };

export function checkNamespace({ store }: Services, request: WriteRequest, name: string): void {
  const { resource, namespace } = request;
  if (!resource.namespaced) return;
  const found = store.get({ storage: 'namespaces', namespace: '', name: namespace });
  if (!found) throw notFound(namespaces, namespace);
  if (!isBeingDeleted(found)) return;
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
  const message = `namespace ${namespace} is being terminated`;
  throw forbidden(resource, name, why, [{ reason: 'NamespaceTerminating', message, field: 'metadata.namespace' }]);
}
