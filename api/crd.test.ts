import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { crdOf, objectSchemaOf, openApiSchemaOf, type StructuralSchema } from './crd.ts';
import { TvmError } from './errors.ts';
import { kinds } from './kinds/kinds.ts';
import { microVmKind } from './kinds/microvm.ts';
import { microVmPoolKind } from './kinds/microvm-pool.ts';

test('integers get a format and lose the bounds that only a double has', () => {
  assert.deepEqual(openApiSchemaOf(z.int()), { type: 'integer', format: 'int64' });
  assert.deepEqual(openApiSchemaOf(z.int().min(1).max(32)), {
    type: 'integer',
    format: 'int32',
    minimum: 1,
    maximum: 32,
  });
  assert.deepEqual(openApiSchemaOf(z.int().min(1)), { type: 'integer', format: 'int64', minimum: 1 });
});

test('exclusive bounds take the form of OpenAPI 3.0', () => {
  assert.deepEqual(openApiSchemaOf(z.number().gt(0)), { type: 'number', minimum: 0, exclusiveMinimum: true });
});

test('strict objects are pruned by the server, so additionalProperties: false is dropped', () => {
  assert.deepEqual(openApiSchemaOf(z.strictObject({ name: z.string() })), {
    type: 'object',
    properties: { name: { type: 'string' } },
    required: ['name'],
  });
});

test('records, loose objects and literals', () => {
  assert.deepEqual(openApiSchemaOf(z.record(z.string(), z.string().max(3))), {
    type: 'object',
    additionalProperties: { type: 'string', maxLength: 3 },
  });
  assert.equal(openApiSchemaOf(z.looseObject({ a: z.string() }))['x-kubernetes-preserve-unknown-fields'], true);
  assert.deepEqual(openApiSchemaOf(z.literal('a')).enum, ['a']);
});

test('what CRDs cannot express names its place', () => {
  const schema = z.object({ list: z.array(z.object({ either: z.union([z.string(), z.int()]) })) });
  assert.throws(
    () => openApiSchemaOf(schema),
    (error) =>
      error instanceof TvmError && error.code === 'unimplemented' && /anyOf at \.list\[\]\.either/.test(error.message),
  );
});

test('every kind becomes a CRD with spec required and status a subresource', () => {
  for (const kind of kinds) {
    const crd = crdOf(kind);
    const [served] = crd.spec.versions;
    assert.ok(served);
    assert.equal(crd.metadata.name, `${kind.plural}.vvm.tvm.github.com`);
    assert.deepEqual(served.schema.openAPIV3Schema.required, ['spec']);
    assert.deepEqual(served.subresources.status, {});
    assert.equal(served.schema.openAPIV3Schema.properties?.spec?.type, 'object');
  }
});

/** `.spec.env[].name` and so on, of everything that has no description. */
function undescribed(schema: StructuralSchema, path: string): string[] {
  return [
    ...(schema.description ? [] : [path]),
    ...Object.entries(schema.properties ?? {}).flatMap(([name, field]) => undescribed(field, `${path}.${name}`)),
    ...(schema.items ? undescribed(schema.items, `${path}[]`) : []),
  ];
}

/** The schema at `.spec.image`. */
function schemaAt(schema: StructuralSchema, jsonPath: string): StructuralSchema | undefined {
  const names = jsonPath.split('.').slice(1);
  return names.reduce<StructuralSchema | undefined>((inner, name) => inner?.properties?.[name], schema);
}

test('every field of every kind says what it is, defaults too', () => {
  for (const kind of kinds) {
    const { spec, status } = objectSchemaOf(kind).properties ?? {};
    assert.ok(spec && status);
    assert.deepEqual([...undescribed(spec, '.spec'), ...undescribed(status, '.status')], [], kind.kind);
    for (const [name, field] of Object.entries(spec.properties ?? {})) {
      const isOptional = !spec.required?.includes(name);
      const tellsDefault = /Default: |Immutable|Environment/.test(field.description ?? '');
      assert.ok(!isOptional || tellsDefault, `${kind.kind} ${name}: ${field.description}`);
    }
  }
});

test('what can be selected is a scalar of spec or status', () => {
  for (const kind of kinds) {
    for (const path of kind.selectableFields) {
      const type = schemaAt(objectSchemaOf(kind), path)?.type ?? '';
      assert.ok(['string', 'boolean', 'integer'].includes(type), `${kind.kind} ${path}`);
    }
  }
});

test('a kind whose names are shorter says so', () => {
  assert.deepEqual(objectSchemaOf(microVmKind).properties?.metadata, {
    type: 'object',
    properties: { name: { type: 'string', maxLength: 63 } },
  });
});

test('a kind with a scale keeps its paths', () => {
  const [served] = crdOf(microVmPoolKind).spec.versions;
  assert.deepEqual(served?.subresources, {
    status: {},
    scale: {
      specReplicasPath: '.spec.minReady',
      statusReplicasPath: '.status.ready',
      labelSelectorPath: '.status.selector',
    },
  });
});
