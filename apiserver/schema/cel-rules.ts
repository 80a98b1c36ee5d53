// CEL rules of a schema (x-kubernetes-validations), evaluated by cel-js. A rule that mentions oldSelf is only for updates;
// any other is not asked of a value that an update leaves as it is.
import { Environment } from '@marcbachmann/cel-js';
import type { StructuralSchema } from '@tvm/api/crd.ts';
import { isJsonObject } from '../objects/api-object.ts';
import { deepEqual } from '../objects/deep-equal.ts';
import type { FieldError } from '../status/field-error.ts';
import * as errors from '../status/field-error.ts';
import { formerItems } from './former-items.ts';
import { propertyOf, type Schema } from './schema.ts';

type CelRule = NonNullable<StructuralSchema['x-kubernetes-validations']>[number];
type Program = (context: Record<string, unknown>) => unknown;

const environment = new Environment({ unlistedVariablesAreDyn: true });
const programs = new Map<string, Program>();

/** What the rules of `schema` say against `value`; `old` is undefined on create and for new parts. */
export function validateRules(schema: Schema, value: unknown, old: unknown, path = ''): FieldError[] {
  const own = (schema['x-kubernetes-validations'] ?? []).flatMap((rule) => evaluate(rule, value, old, path));
  return [...own, ...validateChildren(schema, value, old, path)];
}

function validateChildren(schema: Schema, value: unknown, old: unknown, path: string): FieldError[] {
  if (Array.isArray(value) && schema.items) {
    const { items } = schema;
    const before = formerItems(schema, old);
    return value.flatMap((item, index) => validateRules(items, item, before(item), `${path}[${index}]`));
  }
  if (!isJsonObject(value)) return [];
  const oldFields = isJsonObject(old) ? old : {};
  return Object.entries(value).flatMap(([name, field]) => {
    const property = propertyOf(schema, name);
    return property ? validateRules(property, field, oldFields[name], path ? `${path}.${name}` : name) : [];
  });
}

function evaluate(rule: CelRule, self: unknown, oldSelf: unknown, path: string): FieldError[] {
  const isTransition = /\boldSelf\b/.test(rule.rule);
  if (isTransition ? oldSelf === undefined : oldSelf !== undefined && deepEqual(self, oldSelf)) return [];
  const field = rule.fieldPath ? `${path}${rule.fieldPath}` : path;
  try {
    const holds = programOf(rule.rule)({ self: celValue(self), ...(isTransition && { oldSelf: celValue(oldSelf) }) });
    if (holds === true) return [];
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return [refused(field, self, `rule evaluation error: ${why}`)];
  }
  return [refused(field, self, rule.message)];
}

/** Messages show a scalar. */
function refused(field: string, self: unknown, detail: string): FieldError {
  const isScalar = !Array.isArray(self) && !isJsonObject(self);
  return isScalar ? errors.invalid(field, self, detail) : errors.invalidWhole(field, detail);
}

function programOf(rule: string): Program {
  const known = programs.get(rule);
  if (known) return known;
  const program = environment.parse(rule) as Program;
  programs.set(rule, program);
  return program;
}

/** JSON integers are CEL's int, which the library has as bigint. */
function celValue(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(celValue);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, celValue(field)]));
}
