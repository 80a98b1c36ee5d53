// What the schema refuses, in Kubernetes' own words: types, bounds, required fields, names. Rules are in rules.api.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiAnswer, ApiObject } from '../api-client.ts';
import { assertFailure, bodyOf, microVm, session } from './objects.ts';
import { onEachTarget } from './scope.ts';

const group = 'vvm.tvm.github.com';
type Cause = [reason: string, field: string, message: string];

/** The causes of an Invalid answer, sorted, each once, without the note that rules were skipped. */
function causesOf(answer: ApiAnswer): Cause[] {
  const causes: Cause[] = answer.body.details.causes
    .filter((each: ApiObject) => each.field !== '<nil>')
    .map(({ reason, field, message }: ApiObject) => [reason, field, message]);
  return [...new Map(causes.map((cause) => [cause.join(), cause])).values()].sort();
}

onEachTarget('validation', (scope) => {
  const create = (spec: object, query = {}) => scope.api.create(scope.path('microvms'), microVm('v', { spec }), query);
  const refused = async (spec: object, expected: Cause[]) => {
    const answer = await create(spec);
    const body = assertFailure(answer, { code: 422, reason: 'Invalid' });
    assert.equal(body.details.name, 'v');
    assert.equal(body.details.group, group);
    assert.equal(body.details.kind, 'MicroVM');
    assert.match(body.message, /^MicroVM\.vvm\.tvm\.github\.com "v" is invalid: /);
    for (const [, field, message] of expected) assert.ok(body.message.includes(`${field}: ${message}`), body.message);
    assert.deepEqual(causesOf(answer), expected.toSorted());
  };

  test('bounds of numbers', async () => {
    const least = 'in body should be greater than or equal to';
    await refused({ cpu: 0 }, [['FieldValueInvalid', 'spec.cpu', `Invalid value: 0: spec.cpu ${least} 1`]]);
    await refused({ memory: 0 }, [['FieldValueInvalid', 'spec.memory', `Invalid value: 0: spec.memory ${least} 64`]]);
    await refused({ cpu: 33, ttlSeconds: 0 }, [
      ['FieldValueInvalid', 'spec.cpu', 'Invalid value: 33: spec.cpu in body should be less than or equal to 32'],
      ['FieldValueInvalid', 'spec.ttlSeconds', `Invalid value: 0: spec.ttlSeconds ${least} 1`],
    ]);
  });

  test('lengths, patterns and choices', async () => {
    await refused({ image: '' }, [
      ['FieldValueInvalid', 'spec.image', 'Invalid value: "": spec.image in body should be at least 1 chars long'],
    ]);
    await refused({ image: 'x'.repeat(513) }, [
      ['FieldValueTooLong', 'spec.image', 'Too long: may not be more than 512 bytes'],
    ]);
    await refused({ env: [{ name: '1a' }] }, [
      [
        'FieldValueInvalid',
        'spec.env[0].name',
        `Invalid value: "1a": spec.env[0].name in body should match '^[A-Za-z_][A-Za-z0-9_]*$'`,
      ],
    ]);
    await refused({ desiredState: 'Dancing' }, [
      [
        'FieldValueNotSupported',
        'spec.desiredState',
        'Unsupported value: "Dancing": supported values: "Running", "Paused", "Stopped"',
      ],
    ]);
  });

  test('types', async () => {
    await refused({ memory: 'much', mcpMode: 1, command: {}, args: [1] }, [
      [
        'FieldValueTypeInvalid',
        'spec.memory',
        'Invalid value: "string": spec.memory in body must be of type integer: "string"',
      ],
      [
        'FieldValueTypeInvalid',
        'spec.mcpMode',
        'Invalid value: "integer": spec.mcpMode in body must be of type boolean: "integer"',
      ],
      [
        'FieldValueTypeInvalid',
        'spec.command',
        'Invalid value: "object": spec.command in body must be of type array: "object"',
      ],
      [
        'FieldValueTypeInvalid',
        'spec.args[0]',
        'Invalid value: "integer": spec.args[0] in body must be of type string: "integer"',
      ],
    ]);
    const fraction = await create({ cpu: 1.5 });
    assertFailure(fraction, {
      code: 422,
      reason: 'Invalid',
      message: /spec\.cpu in body must be of type int(32|eger): "float64"/,
    });
  });

  test('required fields, at every depth', async () => {
    await refused({ image: undefined, cpu: undefined, memory: undefined }, [
      ['FieldValueRequired', 'spec.image', 'Required value'],
      ['FieldValueRequired', 'spec.cpu', 'Required value'],
      ['FieldValueRequired', 'spec.memory', 'Required value'],
    ]);
    await refused({ envFrom: [{}, { secretRef: { name: '' } }] }, [
      ['FieldValueRequired', 'spec.envFrom[0].secretRef', 'Required value'],
      [
        'FieldValueInvalid',
        'spec.envFrom[1].secretRef.name',
        'Invalid value: "": spec.envFrom[1].secretRef.name in body should be at least 1 chars long',
      ],
    ]);
    for (const spec of [undefined, null]) {
      const answer = await scope.api.create(scope.path('microvms'), { ...microVm('v'), spec });
      assert.deepEqual(causesOf(answer), [['FieldValueRequired', 'spec', 'Required value']]);
    }
  });

  test('keys of list maps are unique', async () => {
    await refused({ env: [{ name: 'A' }, { name: 'A', value: '2' }] }, [
      ['FieldValueDuplicate', 'spec.env[1]', 'Duplicate value: {"name":"A"}'],
    ]);
  });

  test('names of other objects and images have an alphabet, seconds have an end', async () => {
    const matches = (field: string, value: string, pattern: string): Cause => [
      'FieldValueInvalid',
      field,
      `Invalid value: ${JSON.stringify(value)}: ${field} in body should match '${pattern}'`,
    ];
    const name = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$';
    await refused({ snapshot: 'My Snapshot', envFrom: [{ secretRef: { name: '-a' } }] }, [
      matches('spec.snapshot', 'My Snapshot', name),
      matches('spec.envFrom[0].secretRef.name', '-a', name),
    ]);
    await refused({ image: 'tvm/python --help' }, [
      matches('spec.image', 'tvm/python --help', '^[A-Za-z0-9[][A-Za-z0-9._:/@[\\]-]*$'),
    ]);
    await refused({ ttlSeconds: 315_360_001 }, [
      [
        'FieldValueInvalid',
        'spec.ttlSeconds',
        'Invalid value: 315360001: spec.ttlSeconds in body should be less than or equal to 315360000',
      ],
    ]);
  });

  test('the name of a MicroVM can be a host name', async () => {
    const longest = microVm('a'.repeat(63));
    bodyOf(await scope.api.create(scope.path('microvms'), longest, { dryRun: 'All' }), 201);
    const answer = await scope.api.create(scope.path('microvms'), microVm('a'.repeat(64)));
    assert.deepEqual(causesOf(answer), [
      ['FieldValueTooLong', 'metadata.name', 'Too long: may not be more than 63 bytes'],
    ]);
    bodyOf(await scope.api.create(scope.path('mcpsessions'), session('a'.repeat(64)), { dryRun: 'All' }), 201);
  });

  test('names, labels, finalizers and owners are checked', async () => {
    const named = await scope.api.create(scope.path('microvms'), microVm('Bad_Name'));
    assertFailure(named, {
      code: 422,
      reason: 'Invalid',
      message: /metadata\.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist of/,
    });
    const unnamed = await scope.api.create(scope.path('microvms'), microVm('', { metadata: { name: undefined } }));
    assert.deepEqual(causesOf(unnamed), [
      ['FieldValueRequired', 'metadata.name', 'Required value: name or generateName is required'],
    ]);
    const labels = await scope.api.create(
      scope.path('microvms'),
      microVm('labels', { metadata: { labels: { 'a b': 'c', d: 'e f', 'x/y/z': '1' } } }),
    );
    assertFailure(labels, { code: 422, message: /metadata\.labels: Invalid value: "a b": name part must consist of/ });
    assertFailure(labels, {
      code: 422,
      message: /metadata\.labels: Invalid value: "e f": a valid label must be an empty string/,
    });
    const owners = await scope.api.create(
      scope.path('microvms'),
      microVm('owners', {
        metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: '', uid: '' }] },
      }),
    );
    assert.deepEqual(causesOf(owners), [
      ['FieldValueRequired', 'metadata.ownerReferences[0].name', 'Required value: must not be empty'],
      ['FieldValueRequired', 'metadata.ownerReferences[0].uid', 'Required value: must not be empty'],
    ]);
  });

  test('null in a field means absent; a default fills it', async () => {
    const object = microVm('nulls', { spec: { mcpMode: null, desiredState: null } });
    const { spec } = bodyOf(await scope.api.create(scope.path('microvms'), object, { dryRun: 'All' }), 201);
    assert.deepEqual(spec, { image: 'tvm/python', cpu: 1, memory: 256, desiredState: 'Running' });
  });

  test('defaults inside lists', async () => {
    const { spec } = bodyOf(await create({ env: [{ name: 'A' }] }, { dryRun: 'All' }), 201);
    assert.deepEqual(spec.env, [{ name: 'A', value: '' }]);
  });
});
