// Defaults of a structural schema. As in Kubernetes, a null where the schema allows none counts as absent.
import { isJsonObject } from '../objects/api-object.ts';
import { propertyOf, type Schema } from './schema.ts';

/** Fills defaults into `value` in place and removes nulls that the schema does not allow. */
export function applyDefaults(schema: Schema, value: unknown): void {
  if (Array.isArray(value)) {
    if (schema.items) for (const item of value) applyDefaults(schema.items, item);
    return;
  }
  if (!isJsonObject(value)) return;
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    if (value[name] === null && !property.nullable) delete value[name];
    if (value[name] === undefined && property.default !== undefined) value[name] = structuredClone(property.default);
  }
  for (const [name, field] of Object.entries(value)) {
    const property = propertyOf(schema, name);
    if (property) applyDefaults(property, field);
  }
}
