// What keeps a configuration from being applied at all: unknown fields, wrong types, two items with one key.
import { isJsonObject } from '../objects/api-object.ts';
import { isOpen, listTypeOf, propertyOf, type Schema } from '../schema/schema.ts';
import { hasType, typeOf } from '../schema/value-type.ts';
import { childrenOf } from './children.ts';
import { readablePath } from './field-set.ts';

/** The first problem, as structured merge words it. */
export function appliedProblem(schema: Schema | undefined, value: unknown, path = ''): string | undefined {
  if (!schema || value === null) return undefined;
  if (!hasType(schema, value)) return `${path}: expected ${expected(schema)}, got ${found(value)}`;
  if (Array.isArray(value)) return listProblem(schema, value, path);
  if (!isJsonObject(value)) return undefined;
  for (const [name, field] of Object.entries(value)) {
    const property = propertyOf(schema, name);
    if (!property && !isOpen(schema)) return `${path}.${name}: field not declared in schema`;
    const problem = appliedProblem(property, field, `${path}.${name}`);
    if (problem) return problem;
  }
  return undefined;
}

function listProblem(schema: Schema, list: unknown[], path: string): string | undefined {
  const seen = new Set<string>();
  for (const [index, item] of list.entries()) {
    const element = childrenOf([item], schema)?.[0]?.element;
    const at = element === undefined ? `[${index}]` : readablePath(element);
    if (element !== undefined && seen.has(element)) {
      const what = listTypeOf(schema).type === 'set' ? `set items ${at}` : `entries for key ${at}`;
      return `${path}: duplicate ${what}`;
    }
    if (element !== undefined) seen.add(element);
    const problem = appliedProblem(schema.items, item, `${path}${at}`);
    if (problem) return problem;
  }
  return undefined;
}

function expected({ type }: Schema): string {
  if (type === 'integer' || type === 'number') return 'numeric (int or float)';
  if (type === 'object') return 'map';
  return type === 'array' ? 'list' : (type ?? 'anything');
}

function found(value: unknown): string {
  const names: Record<string, string> = { object: 'map', array: 'list', integer: 'int', number: 'float' };
  return names[typeOf(value)] ?? typeOf(value);
}
