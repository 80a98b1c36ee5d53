// JSON merge patch (RFC 7396).
import { isJsonObject, type JsonObject } from '../objects/api-object.ts';
import { ownField, setField } from '../objects/set-field.ts';

export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isJsonObject(patch)) return patch;
  const result: JsonObject = isJsonObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else setField(result, name, mergePatch(ownField(result, name), value));
  }
  return result;
}
