// What a request may look like: unknown fields, options, dry runs, bodies and answers in other formats, methods, sizes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertFailure, bodyOf, configMap, microVm } from './objects.ts';
import { onEachTarget } from './scope.ts';

const group = 'vvm.tvm.github.com';

onEachTarget('requests', (scope) => {
  const create = (spec: object, query = {}) => scope.api.create(scope.path('microvms'), microVm('v', { spec }), query);

  test('unknown fields: pruned with a warning, refused when strict, silent when ignored', async () => {
    const spec = { zork: 1, env: [{ name: 'A', zork: 1 }] };
    for (const query of [{}, { fieldValidation: 'Warn' }]) {
      const warned = await create(spec, { dryRun: 'All', ...query });
      assert.equal(bodyOf(warned, 201).spec.zork, undefined);
      assert.deepEqual(bodyOf(warned, 201).spec.env, [{ name: 'A', value: '' }]);
      assert.match(String(warned.headers.warning), /299 - "unknown field \\"spec\.zork\\""/);
    }
    const ignored = await create(spec, { dryRun: 'All', fieldValidation: 'Ignore' });
    assert.equal(ignored.headers.warning, undefined);
    assertFailure(await create(spec, { fieldValidation: 'Strict' }), {
      code: 400,
      reason: 'BadRequest',
      message: `MicroVM in version "v1alpha1" cannot be handled as a MicroVM: strict decoding error: unknown field "spec.env[0].zork", unknown field "spec.zork"`,
    });
  });

  test('duplicate fields are refused when strict', async () => {
    const body = `{"apiVersion":"${group}/v1alpha1","kind":"MicroVM","metadata":{"name":"twice"},"spec":{"image":"a","cpu":1,"cpu":2,"memory":64}}`;
    const answer = await scope.api.send(scope.path('microvms'), { body, query: { fieldValidation: 'Strict' } });
    assertFailure(answer, { code: 400, message: /strict decoding error: duplicate field "spec\.cpu"/ });
  });

  test('options that mean nothing', async () => {
    assertFailure(await create({}, { fieldValidation: 'Zork' }), {
      code: 422,
      message:
        'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "Zork": supported values: "", "Ignore", "Strict", "Warn"',
    });
    assertFailure(await create({}, { dryRun: 'Some' }), {
      code: 422,
      message: 'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"',
    });
  });

  test('dryRun validates, defaults, and keeps nothing', async () => {
    const answer = bodyOf(await create({}, { dryRun: 'All' }), 201);
    assert.ok(answer.metadata.uid);
    assert.equal(answer.metadata.resourceVersion, undefined);
    assert.equal((await scope.api.get(scope.path('microvms', 'v'))).status, 404);
    assertFailure(
      await scope.api.create(scope.path('microvms'), microVm('v', { spec: { cpu: 0 } }), { dryRun: 'All' }),
      {
        code: 422,
      },
    );
    bodyOf(await scope.api.create(scope.path('microvms'), microVm('dry')), 201);
    const path = scope.path('microvms', 'dry');
    const patched = bodyOf(await scope.api.patch(path, 'merge', { spec: { ttlSeconds: 3 } }, { dryRun: 'All' }));
    assert.equal(patched.spec.ttlSeconds, 3);
    bodyOf(await scope.api.delete(path, undefined, { dryRun: 'All' }));
    assert.equal(bodyOf(await scope.api.get(path)).spec.ttlSeconds, undefined);
  });

  test('bodies that are no object of the kind', async () => {
    const post = (body: string, contentType = 'application/json') =>
      scope.api.send(scope.path('microvms'), { method: 'POST', body, contentType });
    assertFailure(await post(''), { code: 400, reason: 'BadRequest' });
    assertFailure(await post('{x'), {
      code: 400,
      reason: 'BadRequest',
      message: /invalid character 'x'|json parse error/,
    });
    assertFailure(await post('{}'), { code: 400, reason: 'BadRequest', message: /Object 'Kind' is missing in '\{\}'/ });
    assertFailure(await post('{"apiVersion":"v1","kind":"Secret","metadata":{"name":"q"}}'), {
      code: 400,
      message: `the API version in the data (v1) does not match the expected API version (${group}/v1alpha1)`,
    });
    assertFailure(await post('[]'), { code: 400 });
    assertFailure(await post('{}', 'text/plain'), {
      code: 415,
      reason: 'UnsupportedMediaType',
      message:
        /^the body of the request was in an unknown format - accepted media types include: application\/json, application\/yaml/,
    });
  });

  test('an answer in a format nobody makes is NotAcceptable', async () => {
    const answer = await scope.api.get(scope.path('microvms'), {}, { accept: 'text/html' });
    assertFailure(answer, {
      code: 406,
      reason: 'NotAcceptable',
      message: /^only the following media types are accepted: application\/json/,
    });
  });

  test('a method that the resource does not have', async () => {
    assertFailure(await scope.api.delete(scope.path('microvms', 'v', 'status')), {
      code: 405,
      reason: 'MethodNotAllowed',
      message: `delete is not supported on resources of kind "microvms.${group}"`,
      details: { group, kind: 'microvms' },
    });
    assertFailure(await scope.api.delete('/api/v1/namespaces'), {
      code: 405,
      reason: 'MethodNotAllowed',
      message: 'the server does not allow this method on the requested resource',
      details: {},
    });
    assertFailure(await scope.api.update(scope.path('microvms'), {}), { code: 400, message: 'name must be provided' });
  });

  test('bodies and objects have a largest size', async () => {
    const data = (bytes: number) => configMap('big', { a: 'x'.repeat(bytes) });
    assertFailure(await scope.api.create(scope.path('configmaps'), data(1_100_000)), {
      code: 422,
      reason: 'Invalid',
      message: /Too long: may not be more than 1048576 bytes/,
    });
    assertFailure(await scope.api.create(scope.path('configmaps'), data(4_000_000)), {
      code: 413,
      reason: 'RequestEntityTooLarge',
      message: 'Request entity too large: limit is 3145728',
    });
    bodyOf(await scope.api.create(scope.path('configmaps'), data(1_000_000)), 201);
  });
});
