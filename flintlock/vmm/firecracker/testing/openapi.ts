// Checks requests against a description of Firecracker's API (Swagger 2.0), as strictly as Firecracker: an unknown field is wrong.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { ApiRequest } from '../requests.ts';

interface Schema {
  $ref?: string;
  type?: string;
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
  required?: string[];
  properties?: Record<string, Schema>;
  items?: Schema;
}

interface Description {
  definitions: Record<string, Schema>;
  paths: Record<string, Record<string, { parameters?: { in: string; required?: boolean; schema?: Schema }[] }>>;
}

/** What is wrong with a request, in words; none: it is as the description at `path` says. */
export function makeRequestCheck(path: string): (request: ApiRequest) => string[] {
  const description: Description = parse(readFileSync(path, 'utf8'));
  return ({ method, path: asked, body }) => {
    const pattern = Object.keys(description.paths).find((known) => isOf(known, asked));
    const operation = pattern && description.paths[pattern]?.[method.toLowerCase()];
    if (!operation) return [`${method} ${asked}: no such operation`];
    const wanted = operation.parameters?.find((parameter) => parameter.in === 'body');
    if (!wanted?.schema) return body === undefined ? [] : [`${method} ${asked}: takes no body`];
    return problems(description, wanted.schema, body, `${method} ${asked}`);
  };
}

function isOf(pattern: string, path: string): boolean {
  return new RegExp(`^${pattern.replaceAll(/\{[^}]+\}/g, '[^/]+')}$`).test(path);
}

function problems(description: Description, schema: Schema, value: unknown, at: string): string[] {
  if (schema.$ref) {
    const target = description.definitions[schema.$ref.replace('#/definitions/', '')];
    return target ? problems(description, target, value, at) : [`${at}: ${schema.$ref} is not described`];
  }
  if (schema.enum && !schema.enum.includes(value)) return [`${at}: ${value} is none of ${schema.enum}`];
  const { minimum = -Infinity, maximum = Infinity } = schema;
  if (schema.type === 'integer' && !(Number.isInteger(value) && Number(value) >= minimum && Number(value) <= maximum))
    return [`${at}: ${value} is no integer from ${minimum} to ${maximum}`];
  if ((schema.type === 'string' || schema.type === 'boolean') && typeof value !== schema.type)
    return [`${at}: ${value} is no ${schema.type}`];
  if (schema.type === 'array') {
    if (!Array.isArray(value)) return [`${at}: no array`];
    return value.flatMap((item, index) => problems(description, schema.items ?? {}, item, `${at}[${index}]`));
  }
  return schema.properties ? ofObject(description, schema, value, at) : [];
}

function ofObject(description: Description, { properties = {}, required = [] }: Schema, value: unknown, at: string) {
  if (typeof value !== 'object' || value === null) return [`${at}: no object`];
  const missing = required.filter((name) => !(name in value)).map((name) => `${at}: ${name} is missing`);
  const wrong = Object.entries(value).flatMap(([name, item]) => {
    const schema = properties[name];
    return schema ? problems(description, schema, item, `${at}.${name}`) : [`${at}: ${name} is unknown`];
  });
  return [...missing, ...wrong];
}
