// Requests made to do harm: keys that are special in JavaScript, depth, size, odd paths, many at once. Each gets a plain
// answer, and the server goes on.
import assert from 'node:assert/strict';
import { request } from 'node:https';
import { afterEach, test } from 'node:test';
import { readKubeconfig } from '../cluster/kubeconfig.ts';
import { assertFailure, bodyOf, configMap, microVm } from './objects.ts';
import { customPath, onEachTarget } from './scope.ts';
import { WatchStream } from './watch-stream.ts';

onEachTarget('hostile requests', (scope) => {
  afterEach(async () => assert.equal((await scope.api.get('/readyz')).text, 'ok'));

  test('keys like __proto__ and constructor are data like any other', async () => {
    const data = '{"__proto__":"1","constructor":"2","toString":"3"}';
    const body = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"keys"},"data":${data}}`;
    const created = await scope.api.send(scope.path('configmaps'), { body });
    assert.equal(created.status, 201, created.text);
    const path = scope.path('configmaps', 'keys');
    const merge = '{"data":{"__proto__":"9","hasOwnProperty":"4"}}';
    const operations =
      '[{"op":"replace","path":"/data/__proto__","value":"10"},{"op":"remove","path":"/data/constructor"}]';
    assert.equal((await scope.api.patch(path, 'merge', merge)).status, 200);
    assert.equal((await scope.api.patch(path, 'json', operations)).status, 200);
    const read = await scope.api.get(path);
    const entries = Object.entries(read.body.data as Record<string, string>);
    assert.deepEqual(entries.sort(), [
      ['__proto__', '10'],
      ['hasOwnProperty', '4'],
      ['toString', '3'],
    ]);
  });

  test('a patch cannot reach the prototype of objects', async () => {
    bodyOf(await scope.api.create(scope.path('configmaps'), configMap('prototype')), 201);
    const path = scope.path('configmaps', 'prototype');
    for (const pointer of ['/__proto__/polluted', '/metadata/__proto__/polluted', '/constructor/prototype/polluted']) {
      const answer = await scope.api.patch(path, 'json', [{ op: 'add', path: pointer, value: 'yes' }]);
      assert.equal(answer.status, 422, answer.text);
    }
    await scope.api.patch(
      path,
      'merge',
      '{"__proto__":{"polluted":"yes"},"metadata":{"__proto__":{"polluted":"yes"}}}',
    );
    const other = bodyOf(await scope.api.create(scope.path('configmaps'), configMap('clean')), 201);
    assert.ok(!JSON.stringify(other).includes('polluted'));
    const kinds = `${customPath}/namespaces/${scope.namespace}`;
    for (const kind of ['__proto__', 'constructor', 'toString'])
      assert.equal((await scope.api.get(`${kinds}/${kind}`)).status, 404);
  });

  test('deep JSON is refused', async () => {
    const deep = `${'['.repeat(20_000)}1${']'.repeat(20_000)}`;
    const custom = `{"apiVersion":"vvm.tvm.github.com/v1alpha1","kind":"MicroVM","metadata":{"name":"deep"},"spec":{"image":"a","cpu":1,"memory":64,"x":${deep}}}`;
    assertFailure(await scope.api.send(scope.path('microvms'), { body: custom }), {
      code: 400,
      reason: 'BadRequest',
      message: /exceeded max depth/,
    });
    bodyOf(await scope.api.create(scope.path('microvms'), microVm('deep')), 201);
    const patched = await scope.api.patch(scope.path('microvms', 'deep'), 'merge', `{"spec":{"x":${deep}}}`);
    assert.ok(patched.status === 400 || patched.status === 200, patched.text);
  });

  test('patches that would grow without end are refused', async () => {
    bodyOf(await scope.api.create(scope.path('microvms'), microVm('grown')), 201);
    const path = scope.path('microvms', 'grown');
    const many = Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/spec/cpu', value: 1 }));
    assertFailure(await scope.api.patch(path, 'json', many), {
      code: 413,
      reason: 'RequestEntityTooLarge',
      message: /The allowed maximum operations in a JSON patch is 10000, got 10001/,
    });
    const copies = Array.from({ length: 60 }, (_, i) => ({
      op: 'copy',
      from: '/metadata/annotations/a',
      path: `/metadata/annotations/b${i}`,
    }));
    const first = { op: 'add', path: '/metadata/annotations', value: { a: 'x'.repeat(100_000) } };
    assertFailure(await scope.api.patch(path, 'json', [first, ...copies]), { code: 422, reason: 'Invalid' });
  });

  test('annotations have a largest size together', async () => {
    const annotations = { a: 'x'.repeat(200_000), b: 'x'.repeat(63_000) };
    assertFailure(await scope.api.create(scope.path('microvms'), microVm('noted', { metadata: { annotations } })), {
      code: 422,
      message: /metadata\.annotations: Too long: may not be more than 262144 bytes/,
    });
  });

  test('odd paths name nothing', async () => {
    for (const name of [
      '..%2f..%2fsecrets',
      '%2e%2e',
      `${'a'.repeat(5000)}`,
      'a%2fb',
      '%00',
      'a%20b',
      "a'or'1'='1",
      '%F0%9F%92%A9',
    ]) {
      const answer = await scope.api.get(`${scope.path('microvms')}/${name}`);
      assert.ok([400, 404].includes(answer.status), `${name}: ${answer.text.slice(0, 200)}`);
    }
    for (const labelSelector of ["a='; drop table objects; --", `${'a,'.repeat(5000)}a`, '((((((((']) {
      const answer = await scope.api.get(scope.path('microvms'), { labelSelector });
      assert.ok([200, 400].includes(answer.status), answer.text.slice(0, 200));
    }
  });

  test('request targets that are no URL', async () => {
    const { url, ca } = await readKubeconfig(scope.server.kubeconfig);
    for (const path of ['//', '/?%zz=%', '/api/v1/%', 'http://[', '*']) {
      const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
      request(url, { path, ca, agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
      const status = await promise;
      assert.ok(status && status >= 300 && status < 500, `${path}: ${status}`);
    }
  });

  test('a client that leaves in the middle of a body', async () => {
    const { url, token, ca } = await readKubeconfig(scope.server.kubeconfig);
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'content-length': 1000 };
    const leaving = request(url, { path: scope.path('configmaps'), method: 'POST', ca, agent: false, headers });
    leaving.on('error', () => undefined); // it is cut off from this side
    const { promise: sent, resolve } = Promise.withResolvers<void>();
    leaving.write('{"apiVersion"', () => resolve());
    await sent;
    leaving.destroy();
    bodyOf(await scope.api.create(scope.path('configmaps'), configMap('after-leaving')), 201);
  });

  test('texts that are slow to scan: quotes without end, many keys', async () => {
    const quotes = Buffer.from(`"${'\\"'.repeat(500_000)}`);
    for (const contentType of ['application/json', 'application/yaml', 'application/apply-patch+yaml']) {
      const method = contentType.includes('patch') ? 'PATCH' : 'POST';
      const path = scope.path('configmaps', ...(method === 'PATCH' ? ['quotes'] : []));
      const query = { fieldManager: 'm' };
      const answer = await scope.api.send(path, { method, body: quotes, contentType, query });
      assertFailure(answer, { code: 400, reason: 'BadRequest' });
    }
    const keys = Array.from({ length: 40_000 }, (_, i) => `  k${i}: v`).join('\n');
    const body = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: keys-many}\ndata:\n${keys}\n`;
    bodyOf(await scope.api.send(scope.path('configmaps'), { body, contentType: 'application/yaml' }), 201);
  });

  test('a body that is cut off, and one that is no UTF-8', async () => {
    const cut = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cut"';
    assertFailure(await scope.api.send(scope.path('configmaps'), { body: cut }), { code: 400, reason: 'BadRequest' });
    const body = Buffer.from(
      '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"bytes"},"data":{"a":"\xff\xfe"}}',
      'latin1',
    );
    const answer = await scope.api.send(scope.path('configmaps'), { body });
    assert.equal(answer.status, 201, answer.text);
    assert.equal(answer.body.data.a, '\ufffd\ufffd');
  });

  test('creations of one name: one wins', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => scope.api.create(scope.path('microvms'), microVm('race'))),
    );
    assert.equal(answers.filter((answer) => answer.status === 201).length, 1);
    assert.equal(answers.filter((answer) => answer.status === 409).length, 19);
  });

  test('updates from one version: one wins', async () => {
    const object = bodyOf(await scope.api.create(scope.path('microvms'), microVm('race-update')), 201);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        scope.api.update(scope.path('microvms', 'race-update'), {
          ...object,
          spec: { ...object.spec, ttlSeconds: i + 1 },
        }),
      ),
    );
    assert.equal(answers.filter((answer) => answer.status === 200).length, 1);
    assert.equal(answers.filter((answer) => answer.status === 409).length, 19);
  });

  test('a watcher that leaves or never reads disturbs nobody', async () => {
    const { metadata } = bodyOf(await scope.api.get(scope.path('configmaps')));
    const open = () =>
      WatchStream.open(scope.api, scope.path('configmaps'), { resourceVersion: metadata.resourceVersion });
    using _silent = await open();
    using reader = await open();
    const gone = await open();
    gone[Symbol.dispose]();
    const data = { a: 'x'.repeat(200_000) };
    for (let i = 0; i < 20; i += 1) {
      bodyOf(await scope.api.create(scope.path('configmaps'), configMap(`bulk-${i}`, data)), 201);
    }
    assert.equal((await reader.take(20)).at(-1), 'ADDED bulk-19');
  });
});
