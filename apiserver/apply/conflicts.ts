// The 409 of server-side apply: one cause a field, and the other managers by name.
import { StatusError } from '../status/status-error.ts';
import { readablePath } from './field-set.ts';
import type { Manager } from './managers.ts';

export interface FieldConflict {
  manager: Manager;
  path: string;
}

export function conflictError(conflicts: readonly FieldConflict[]): StatusError {
  const causes = conflicts.map((conflict) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${described(conflict.manager)}`,
    field: readablePath(conflict.path),
  }));
  const count = causes.length === 1 ? '1 conflict' : `${causes.length} conflicts`;
  return new StatusError(409, 'Conflict', `Apply failed with ${count}: ${summary(conflicts)}`, { causes });
}

function summary(conflicts: readonly FieldConflict[]): string {
  const single = conflicts.length === 1 ? conflicts[0] : undefined;
  if (single) return `conflict with ${described(single.manager)}: ${readablePath(single.path)}`;
  const byManager = Map.groupBy(conflicts, (conflict) => described(conflict.manager));
  return [...byManager]
    .map(
      ([manager, list]) =>
        `conflicts with ${manager}:\n${list.map(({ path }) => `- ${readablePath(path)}`).join('\n')}`,
    )
    .join('\n');
}

function described(manager: Manager): string {
  const subresource = manager.subresource ? ` with subresource "${manager.subresource}"` : '';
  if (manager.operation === 'Apply') return `"${manager.name}"${subresource}`;
  return `"${manager.name}"${subresource} using ${manager.apiVersion}`;
}
