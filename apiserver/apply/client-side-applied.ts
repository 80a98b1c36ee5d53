// The fields that `kubectl apply` set before it was told --server-side: kubectl may take them without --force-conflicts.
import type { ApiObject } from '../objects/api-object.ts';
import { appliedFields } from './applied-fields.ts';
import type { FieldSet } from './field-set.ts';
import type { Tracking } from './track-update.ts';

const annotation = 'kubectl.kubernetes.io/last-applied-configuration';

export function clientSideApplied({ identity, schema }: Tracking, live: ApiObject): FieldSet {
  const text = live.metadata.annotations?.[annotation];
  if (identity.name !== 'kubectl' || text === undefined) return new Set();
  try {
    return appliedFields(JSON.parse(text), schema);
  } catch (error) {
    if (error instanceof SyntaxError) return new Set(); // an annotation is any text
    throw error;
  }
}
