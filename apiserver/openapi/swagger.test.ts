import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary, toJson } from '@bufbuild/protobuf';
import { DocumentSchema } from '@tvm/api/gen/openapi/v2/openapi_pb.js';
import { makeRegistry } from '../resources/registry.ts';
import { OpenApi } from './documents.ts';
import { type Swagger, swaggerPathOf, swaggerSchemaOf } from './swagger.ts';
import { encodeSwagger } from './swagger-protobuf.ts';

const decoded = (document: Swagger) => toJson(DocumentSchema, fromBinary(DocumentSchema, encodeSwagger(document)));
const empty: Swagger = { swagger: '2.0', info: { title: 't', version: 'v1' }, paths: {}, definitions: {} };

test('a v3 schema becomes a v2 one: references move, words that v2 lacks go', () => {
  const reference = { $ref: '#/components/schemas/a.B' };
  const schema = {
    type: 'object',
    properties: {
      nullable: { type: 'string', nullable: true },
      described: { description: 'One.', allOf: [reference] },
      list: { type: 'array', items: reference },
      map: { type: 'object', additionalProperties: reference },
      either: { anyOf: [{ type: 'string' }, { type: 'integer' }], 'x-kubernetes-int-or-string': true },
    },
  };
  const $ref = '#/definitions/a.B';
  assert.deepEqual(swaggerSchemaOf(schema), {
    type: 'object',
    properties: {
      nullable: { type: 'string' },
      described: { description: 'One.', $ref },
      list: { type: 'array', items: { $ref } },
      map: { type: 'object', additionalProperties: { $ref } },
      either: { 'x-kubernetes-int-or-string': true },
    },
  });
});

test('a field may be named like a word of schemas', () => {
  const properties = { not: { type: 'string' }, items: { type: 'string' }, allOf: { type: 'string' } };
  assert.deepEqual(swaggerSchemaOf({ type: 'object', properties }), { type: 'object', properties });
});

test('a v3 operation becomes a v2 one: its body is a parameter', () => {
  const schema = { $ref: '#/components/schemas/a.B' };
  const patch = {
    description: 'patch B',
    parameters: [
      { name: 'dryRun', in: 'query' as const, description: 'All.', schema: { type: 'string', uniqueItems: true } },
    ],
    requestBody: { content: { 'application/merge-patch+json': { schema } }, required: true },
    responses: { 200: { description: 'OK', content: { 'application/json': { schema } } } },
    'x-kubernetes-action': 'patch',
  };
  const $ref = '#/definitions/a.B';
  assert.deepEqual(swaggerPathOf({ patch }), {
    patch: {
      description: 'patch B',
      consumes: ['application/merge-patch+json'],
      produces: ['application/json', 'application/yaml'],
      parameters: [
        { in: 'body', name: 'body', required: true, schema: { $ref } },
        { in: 'query', name: 'dryRun', description: 'All.', type: 'string', uniqueItems: true },
      ],
      responses: { 200: { description: 'OK', schema: { $ref } } },
      'x-kubernetes-action': 'patch',
    },
  });
});

test('schemas as protobuf', () => {
  const definitions: Swagger['definitions'] = {
    B: {
      type: 'object',
      required: ['n'],
      properties: { n: { type: 'integer', format: 'int32', minimum: 0, maximum: 1.5, enum: [1, 'two'], default: 0 } },
      additionalProperties: { type: 'array', items: { $ref: '#/definitions/B' }, maxItems: 0 },
      'x-kubernetes-list-map-keys': ['name'],
    },
    closed: { additionalProperties: false },
  };
  assert.deepEqual(decoded({ ...empty, definitions }), {
    swagger: '2.0',
    info: { title: 't', version: 'v1' },
    paths: {},
    definitions: {
      additionalProperties: [
        {
          name: 'B',
          value: {
            type: { value: ['object'] },
            required: ['n'],
            properties: {
              additionalProperties: [
                {
                  name: 'n',
                  value: {
                    type: { value: ['integer'] },
                    format: 'int32',
                    minimum: 0,
                    maximum: 1.5,
                    enum: [{ yaml: '1\n' }, { yaml: '"two"\n' }],
                    default: { yaml: '0\n' },
                  },
                },
              ],
            },
            additionalProperties: {
              schema: {
                type: { value: ['array'] },
                items: { schema: [{ ref: '#/definitions/B' }] },
                maxItems: 0,
              },
            },
            vendorExtension: [{ name: 'x-kubernetes-list-map-keys', value: { yaml: '["name"]\n' } }],
          },
        },
        { name: 'closed', value: { additionalProperties: { boolean: false } } },
      ],
    },
  });
});

test('paths as protobuf', () => {
  const text = { type: 'string', uniqueItems: true };
  const put = {
    description: 'put B',
    consumes: ['*/*'],
    produces: [],
    parameters: [
      { in: 'body' as const, name: 'body', required: true, schema: {} },
      { in: 'query' as const, name: 'dryRun', description: 'All.', ...text },
    ],
    responses: { 200: { description: 'OK', schema: { $ref: 'r' } }, 404: { description: 'None' } },
    'x-kubernetes-action': 'put',
  };
  const parameters = [{ in: 'path' as const, name: 'name', description: 'N.', required: true, ...text }];
  const { paths } = decoded({ ...empty, paths: { '/b': { put, parameters } } }) as { paths: object };
  assert.deepEqual(paths, {
    path: [
      {
        name: '/b',
        value: {
          put: {
            description: 'put B',
            consumes: ['*/*'],
            parameters: [
              { parameter: { body: { name: 'body', in: 'body', required: true, schema: {} } } },
              { parameter: { nonBody: { query: { in: 'query', name: 'dryRun', description: 'All.', ...text } } } },
            ],
            responses: {
              responseCode: [
                { name: '200', value: { response: { description: 'OK', schema: { schema: { ref: 'r' } } } } },
                { name: '404', value: { response: { description: 'None' } } },
              ],
            },
            vendorExtension: [{ name: 'x-kubernetes-action', value: { yaml: '"put"\n' } }],
          },
          parameters: [
            {
              parameter: {
                nonBody: { path: { in: 'path', name: 'name', description: 'N.', required: true, ...text } },
              },
            },
          ],
        },
      },
    ],
  });
});

test('every reference of the documents leads to a schema', () => {
  const openApi = new OpenApi(makeRegistry());
  const read = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString());
  const documents = [
    { ...read(openApi.v2().bytes), prefix: '#/definitions/' },
    ...Object.keys(read(openApi.index().bytes).paths).map((name) => {
      const { components, ...rest } = read(openApi.v3(name)?.bytes ?? new Uint8Array());
      return { ...rest, definitions: components.schemas, prefix: '#/components/schemas/' };
    }),
  ];
  for (const { definitions, prefix, paths } of documents) {
    const references = [...JSON.stringify({ definitions, paths }).matchAll(/"\$ref":"([^"]+)"/g)].map(([, to]) => to);
    assert.ok(references.length > 10);
    for (const to of references) assert.ok(definitions[String(to).slice(prefix.length)], to);
  }
});
