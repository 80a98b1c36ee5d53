// Sets of field paths, and their form in managedFields (FieldsV1).
// A path is a list of elements (`f:name`, `k:{"name":"A"}`, `v:"x"`) joined by NUL; a set is flat, so set algebra is plain.
import { isJsonObject, type JsonObject } from '../objects/api-object.ts';

export type FieldSet = ReadonlySet<string>;

const separator = '\u0000';

export function childPath(parent: string, element: string): string {
  return parent === '' ? element : `${parent}${separator}${element}`;
}

export function elementsOf(path: string): string[] {
  return path.split(separator);
}

export function fieldElement(name: string): string {
  return `f:${name}`;
}

/** Whether a path of the set lies below `path`. */
export function hasBelow(set: FieldSet, path: string): boolean {
  const prefix = path + separator;
  for (const member of set) if (member.startsWith(prefix)) return true;
  return false;
}

/** `path` itself or something below it. */
export function isBelowOrAt(path: string, root: string): boolean {
  return path === root || path.startsWith(root + separator);
}

/** The members of a FieldsV1 object. What is not one is an empty set. */
export function parseFields(fields: unknown): Set<string> {
  const set = new Set<string>();
  collect(fields, '', set);
  return set;
}

function collect(fields: unknown, path: string, set: Set<string>): void {
  if (!isJsonObject(fields)) return;
  const elements = Object.keys(fields).filter((element) => element !== '.');
  if (path !== '' && ('.' in fields || elements.length === 0)) set.add(path);
  for (const element of elements) collect(fields[element], childPath(path, element), set);
}

/** FieldsV1 of a set. A member with members below it has the mark `.`. */
export function formatFields(set: FieldSet): JsonObject {
  const root: JsonObject = {};
  for (const path of [...set].sort()) {
    let node = root;
    for (const element of elementsOf(path)) {
      node[element] ??= {};
      node = node[element] as JsonObject;
    }
  }
  for (const path of set) markMember(root, path);
  return sorted(root);
}

function markMember(root: JsonObject, path: string): void {
  let node = root;
  for (const element of elementsOf(path)) node = node[element] as JsonObject;
  if (Object.keys(node).length > 0) node['.'] = {};
}

function sorted(node: JsonObject): JsonObject {
  const keys = Object.keys(node).sort();
  return Object.fromEntries(keys.map((key) => [key, sorted(node[key] as JsonObject)]));
}

/** `.spec.env[name="A"].value`, as messages name a field. */
export function readablePath(path: string): string {
  return elementsOf(path).map(readableElement).join('');
}

function readableElement(element: string): string {
  const text = element.slice(2);
  if (element.startsWith('f:')) return `.${text}`;
  if (element.startsWith('v:')) return `[=${text}]`;
  const keys = Object.entries(JSON.parse(text) as JsonObject);
  return `[${keys.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}]`;
}
