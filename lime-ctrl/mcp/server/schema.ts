// Schemas of tools as the library wants them. Invariant: the JSON Schema of each is made once a process, not once a request.
import type { StandardSchemaWithJSON } from '@modelcontextprotocol/server';
import type { z } from 'zod';

const made = new WeakMap<z.ZodType, StandardSchemaWithJSON>();

/** The same schema, its JSON Schema remembered. */
export function rememberedSchema<S extends z.ZodType>(schema: S): StandardSchemaWithJSON<z.input<S>, z.output<S>> {
  const found = made.get(schema) ?? remember(schema);
  made.set(schema, found);
  return found as StandardSchemaWithJSON<z.input<S>, z.output<S>>;
}

function remember(schema: z.ZodType): StandardSchemaWithJSON {
  const standard = (schema as unknown as StandardSchemaWithJSON)['~standard'];
  type Convert = typeof standard.jsonSchema.input;
  const once = (convert: Convert): Convert => {
    const byTarget = new Map<string, Record<string, unknown>>();
    return (options) => {
      const json = byTarget.get(options.target) ?? convert(options);
      byTarget.set(options.target, json);
      return json;
    };
  };
  const jsonSchema = { input: once(standard.jsonSchema.input), output: once(standard.jsonSchema.output) };
  return { '~standard': { ...standard, jsonSchema } };
}
