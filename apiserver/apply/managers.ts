// managedFields as managers with their sets, and back. A manager is its name, operation, version and subresource.
import type { ManagedFieldsEntry } from '../objects/api-object.ts';
import { type FieldSet, formatFields, isBelowOrAt, parseFields } from './field-set.ts';

export interface Manager {
  name: string;
  operation: 'Apply' | 'Update';
  apiVersion: string;
  subresource: string;
  time: string | undefined;
  fields: FieldSet;
}

export type ManagerIdentity = Pick<Manager, 'name' | 'operation' | 'apiVersion' | 'subresource'>;

export function identityOf({ name, operation, apiVersion, subresource }: ManagerIdentity): string {
  return JSON.stringify([name, operation, apiVersion, subresource]);
}

export function parseManagers(entries: readonly ManagedFieldsEntry[] = []): Map<string, Manager> {
  const managers = entries
    .filter((entry) => entry.operation === 'Apply' || entry.operation === 'Update')
    .map((entry) => ({
      name: entry.manager ?? '',
      operation: entry.operation as Manager['operation'],
      apiVersion: entry.apiVersion ?? '',
      subresource: entry.subresource ?? '',
      time: entry.time,
      fields: parseFields(entry.fieldsV1),
    }));
  return new Map(managers.map((manager) => [identityOf(manager), manager]));
}

/** Those without fields are left out; applied ones come first, then the older before the newer. */
export function formatManagers(managers: Map<string, Manager>): ManagedFieldsEntry[] {
  const list = [...managers.values()].filter((manager) => manager.fields.size > 0);
  return list.sort(compareManagers).map((manager) => ({
    manager: manager.name,
    operation: manager.operation,
    apiVersion: manager.apiVersion,
    ...(manager.time && { time: manager.time }),
    fieldsType: 'FieldsV1',
    fieldsV1: formatFields(manager.fields),
    ...(manager.subresource && { subresource: manager.subresource }),
  }));
}

function compareManagers(left: Manager, right: Manager): number {
  const keys = (manager: Manager) => [manager.operation, manager.time ?? '', manager.name, manager.subresource];
  const [a, b] = [keys(left), keys(right)];
  const index = a.findIndex((key, position) => key !== b[position]);
  if (index < 0) return 0;
  return (a[index] ?? '') < (b[index] ?? '') ? -1 : 1;
}

const systemFields = new Set(
  ['apiVersion', 'kind', 'metadata']
    .map((name) => `f:${name}`)
    .concat(
      [
        'name',
        'namespace',
        'creationTimestamp',
        'selfLink',
        'uid',
        'generation',
        'managedFields',
        'resourceVersion',
        'deletionTimestamp',
        'deletionGracePeriodSeconds',
      ].map((name) => `f:metadata\u0000f:${name}`),
    ),
);

/** Without the fields that the server owns, and those below `resetRoots`, which the endpoint does not write. */
export function ownable(fields: FieldSet, resetRoots: readonly string[]): Set<string> {
  const isOwnable = (path: string) =>
    !systemFields.has(path) &&
    !path.startsWith('f:metadata\u0000f:managedFields') &&
    !resetRoots.some((root) => isBelowOrAt(path, root));
  return new Set([...fields].filter(isOwnable));
}
