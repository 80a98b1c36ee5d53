// Strategic merge patch: a merge patch whose lists merge by key where the schema says so. Only for Kubernetes' own kinds.
import { isJsonObject, type JsonObject } from '../objects/api-object.ts';
import { deepEqual } from '../objects/deep-equal.ts';
import { ownField, setField } from '../objects/set-field.ts';
import { propertyOf, type Schema } from '../schema/schema.ts';
import { badRequest } from '../status/status-error.ts';

const directive = '$patch';
const deletePrefix = '$deleteFromPrimitiveList/';
const orderPrefix = '$setElementOrder/';
const retainKeys = '$retainKeys';

/** Throws StatusError 400 for directives that make no sense. */
export function strategicMergePatch(target: unknown, patch: unknown, schema: Schema | undefined): unknown {
  if (!isJsonObject(patch)) return patch;
  if (patch[directive] === 'replace') return without(patch, [directive]);
  if (patch[directive] === 'delete') return {};
  const result: JsonObject = isJsonObject(target) ? { ...target } : {};
  retain(result, patch[retainKeys]);
  for (const [name, value] of Object.entries(patch)) {
    if (name.startsWith(deletePrefix)) deleteValues(result, name.slice(deletePrefix.length), value);
    else if (!name.startsWith('$')) mergeField(result, name, value, propertyOf(schema, name));
  }
  for (const [name, order] of Object.entries(patch)) {
    if (name.startsWith(orderPrefix)) reorder(result, name.slice(orderPrefix.length), order, schema);
  }
  return result;
}

function mergeField(result: JsonObject, name: string, value: unknown, schema: Schema | undefined): void {
  if (value === null) delete result[name];
  else if (Array.isArray(value)) setField(result, name, mergeList(ownField(result, name), value, schema));
  else setField(result, name, strategicMergePatch(ownField(result, name), value, schema));
}

function mergeList(target: unknown, patch: unknown[], schema: Schema | undefined): unknown[] {
  const isMerged = schema?.['x-kubernetes-patch-strategy']?.split(',').includes('merge');
  const directives = patch.filter((item) => isJsonObject(item) && item[directive] !== undefined);
  if (directives.some((item) => (item as JsonObject)[directive] === 'replace')) {
    return patch.filter((item) => !directives.includes(item));
  }
  if (!isMerged) return patch;
  const key = schema?.['x-kubernetes-patch-merge-key'];
  const former = Array.isArray(target) ? target : [];
  if (!key) return [...former, ...patch.filter((item) => !former.some((one) => deepEqual(one, item)))];
  return patch.reduce<unknown[]>((list, item) => mergeItem(list, item, key, schema), former);
}

function mergeItem(list: unknown[], item: unknown, key: string, schema: Schema | undefined): unknown[] {
  if (!isJsonObject(item) || item[key] === undefined) {
    throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`);
  }
  const isSame = (one: unknown) => isJsonObject(one) && one[key] === item[key];
  if (item[directive] === 'delete') return list.filter((one) => !isSame(one));
  if (!list.some(isSame)) return [...list, item];
  return list.map((one) => (isSame(one) ? strategicMergePatch(one, item, schema?.items) : one));
}

function deleteValues(result: JsonObject, name: string, values: unknown): void {
  const list = ownField(result, name);
  if (!Array.isArray(list) || !Array.isArray(values)) return;
  result[name] = list.filter((item) => !values.some((value) => deepEqual(value, item)));
}

function reorder(result: JsonObject, name: string, order: unknown, schema: Schema | undefined): void {
  const list = ownField(result, name);
  if (!Array.isArray(list) || !Array.isArray(order)) return;
  const key = propertyOf(schema, name)?.['x-kubernetes-patch-merge-key'];
  const idOf = (item: unknown) => JSON.stringify(key && isJsonObject(item) ? item[key] : item);
  const ids = order.map(idOf);
  const position = (item: unknown) => ids.indexOf(idOf(item));
  const listed = list.filter((item) => position(item) >= 0).sort((left, right) => position(left) - position(right));
  result[name] = [...list.filter((item) => position(item) < 0), ...listed];
}

function retain(result: JsonObject, keys: unknown): void {
  if (!Array.isArray(keys)) return;
  for (const name of Object.keys(result)) if (!keys.includes(name)) delete result[name];
}

function without(object: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
}
