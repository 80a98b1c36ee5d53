import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ApiObject } from '../objects/api-object.ts';
import type { Schema } from '../schema/schema.ts';
import { appliedProblem } from './applied-problem.ts';
import { applyPatch } from './apply-patch.ts';
import { formatFields, parseFields, readablePath } from './field-set.ts';
import { type Tracking, trackUpdate } from './track-update.ts';

const schema: Schema = {
  type: 'object',
  properties: {
    metadata: { type: 'object', properties: { labels: { type: 'object', additionalProperties: { type: 'string' } } } },
    spec: {
      type: 'object',
      properties: {
        size: { type: 'integer' },
        args: { type: 'array', items: { type: 'string' } },
        tags: { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' },
        env: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
          items: { type: 'object', properties: { name: { type: 'string' }, value: { type: 'string' } } },
        },
      },
    },
  },
};

const tracking = (name: string, operation: 'Apply' | 'Update' = 'Apply'): Tracking => ({
  schema,
  identity: { name, operation, apiVersion: 'v1', subresource: '' },
  resetRoots: [],
  now: '2026-01-01T00:00:00Z',
  always: [],
});

const empty: ApiObject = { apiVersion: 'v1', kind: 'T', metadata: {} };
const config = (spec: object): ApiObject => ({ ...empty, spec });

function apply(live: ApiObject, manager: string, spec: object, force = false): ApiObject {
  const { object, managedFields } = applyPatch(tracking(manager), live, config(spec), force);
  return { ...object, metadata: { ...object.metadata, managedFields } };
}

test('fields of a configuration are owned, and gone when no longer named', () => {
  const first = apply(empty, 'a', { size: 1, env: [{ name: 'A', value: '1' }, { name: 'B' }], tags: ['x', 'y'] });
  const second = apply(first, 'a', { env: [{ name: 'B' }], tags: ['y'] });
  assert.deepEqual(second.spec, { env: [{ name: 'B' }], tags: ['y'] });
});

test('what another manager owns stays, and is a conflict to change', () => {
  const first = apply(empty, 'a', { size: 1, env: [{ name: 'A', value: '1' }] });
  const shared = apply(first, 'b', { env: [{ name: 'A', value: '1' }, { name: 'B' }] });
  assert.throws(() => apply(shared, 'b', { size: 2 }), /conflict with "a": \.spec\.size/);
  assert.throws(
    () => apply(shared, 'c', { size: 2, env: [{ name: 'A', value: '2' }] }),
    /Apply failed with 3 conflicts/,
  );
  const forced = apply(shared, 'b', { size: 2, env: [{ name: 'B' }] }, true);
  assert.deepEqual(forced.spec, { size: 2, env: [{ name: 'A', value: '1' }, { name: 'B' }] });
  const released = apply(forced, 'a', {});
  assert.deepEqual(released.spec, { size: 2, env: [{ name: 'B' }] });
});

test('kubectl takes over what it applied on the client side, and nothing else', () => {
  const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': '{"spec":{"size":1}}' };
  const live = { ...empty, metadata: { annotations }, spec: { size: 1, tags: ['x'], args: ['p'] } };
  const managedFields = trackUpdate(tracking('kubectl-client-side-apply', 'Update'), undefined, live);
  const owned = { ...live, metadata: { annotations, managedFields } };
  assert.deepEqual(apply(owned, 'kubectl', { size: 2 }).spec, { size: 2, tags: ['x'], args: ['p'] });
  assert.throws(() => apply(owned, 'kubectl', { args: ['q'] }), /1 conflict/);
  assert.throws(() => apply(owned, 'other', { size: 2 }), /1 conflict/);
});

test('an update takes the fields that it changes', () => {
  const first = apply(empty, 'a', { size: 1, tags: ['x'] });
  const next = { ...first, spec: { size: 5, tags: ['x'] } };
  const managedFields = trackUpdate(tracking('u', 'Update'), first, next);
  assert.deepEqual(
    managedFields.map(({ manager, operation, fieldsV1 }) => [manager, operation, fieldsV1]),
    [
      ['a', 'Apply', { 'f:spec': { 'f:tags': { 'v:"x"': {} } } }],
      ['u', 'Update', { 'f:spec': { 'f:size': {} } }],
    ],
  );
});

test('managedFields of one empty entry forget all managers', () => {
  const first = apply(empty, 'a', { size: 1 });
  assert.deepEqual(trackUpdate(tracking('u', 'Update'), first, { ...first, metadata: { managedFields: [{}] } }), []);
});

test('what is no configuration of the schema is told by its path', () => {
  assert.equal(appliedProblem(schema, { spec: { zork: 1 } }), '.spec.zork: field not declared in schema');
  assert.match(appliedProblem(schema, { spec: { size: '1' } }) ?? '', /\.spec\.size: expected numeric .* got string/);
  assert.match(
    appliedProblem(schema, { spec: { tags: ['a', 'a'] } }) ?? '',
    /\.spec\.tags: duplicate set items \[="a"\]/,
  );
  assert.match(
    appliedProblem(schema, { spec: { env: [{ name: 'A' }, { name: 'A' }] } }) ?? '',
    /\.spec\.env: duplicate entries for key \[name="A"\]/,
  );
});

const element = fc.oneof(
  fc.string({ maxLength: 3, unit: 'grapheme-ascii' }).map((name) => `f:${name}`),
  fc.string({ maxLength: 3, unit: 'grapheme-ascii' }).map((name) => `k:${JSON.stringify({ name })}`),
);

test('a set of fields survives its written form', () => {
  const paths = fc.array(fc.array(element, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('\u0000')));
  fc.assert(
    fc.property(paths, (list) => {
      const set = new Set(list);
      assert.deepEqual(parseFields(JSON.parse(JSON.stringify(formatFields(set)))), set);
    }),
  );
  assert.equal(readablePath('f:spec\u0000f:env\u0000k:{"name":"A"}\u0000f:value'), '.spec.env[name="A"].value');
});

const spec = fc.record(
  {
    size: fc.integer({ min: 0, max: 2 }),
    args: fc.array(fc.constantFrom('p', 'q'), { maxLength: 2 }),
    tags: fc.uniqueArray(fc.constantFrom('x', 'y', 'z')),
    env: fc.uniqueArray(
      fc.record(
        { name: fc.constantFrom('A', 'B', 'C'), value: fc.constantFrom('1', '2') },
        { requiredKeys: ['name'], noNullPrototype: true },
      ),
      { selector: ({ name }) => name },
    ),
  },
  { requiredKeys: [], noNullPrototype: true },
);

test('applying again changes nothing, whatever came before', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('a', 'b'), spec), { maxLength: 5 }), spec, (history, last) => {
      const live = history.reduce((object, [manager, one]) => apply(object, manager, one, true), empty);
      const once = apply(live, 'a', last, true);
      assert.deepEqual(apply(once, 'a', last), once);
    }),
  );
});

test('the sole manager gets exactly what it applies', () => {
  fc.assert(
    fc.property(fc.array(spec, { minLength: 1, maxLength: 4 }), (specs) => {
      const live = specs.reduce((object, one) => apply(object, 'a', one), empty);
      const wanted = specs.at(-1) ?? {};
      const kept = Object.entries(live.spec ?? {}).filter(([name]) => Object.hasOwn(wanted, name));
      for (const [name, value] of kept) assert.deepEqual(sorted(value), sorted(wanted[name as keyof typeof wanted]));
      assert.equal(Object.keys(live.spec ?? {}).length, kept.length);
    }),
  );
});

/** Sets and maps have no order of their own across applies. */
function sorted(value: unknown): unknown {
  return Array.isArray(value) ? value.map((item) => JSON.stringify(item)).sort() : value;
}
