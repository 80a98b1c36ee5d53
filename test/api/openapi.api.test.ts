// The OpenAPI documents that explain, apply and edit of kubectl are made of: v3, and v2 as JSON and as protobuf.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { publishedSchemas } from '@tvm/apiserver/openapi/core-schemas.ts';
import type { ApiObject } from '../api-client.ts';
import { bodyOf } from './objects.ts';
import { factsOf } from './schema-facts.ts';
import { onEachTarget } from './scope.ts';
import { decodeSwagger } from './swagger-document.ts';

const group = 'vvm.tvm.github.com';
const protobuf = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';

onEachTarget('OpenAPI', (scope) => {
  test('OpenAPI v3 describes the kinds for explain', async () => {
    const index = bodyOf(await scope.api.get('/openapi/v3'));
    const entry = index.paths[`apis/${group}/v1alpha1`];
    assert.match(entry.serverRelativeURL, /^\/openapi\/v3\/apis\/vvm\.tvm\.github\.com\/v1alpha1/);
    const [path, query = ''] = entry.serverRelativeURL.split('?');
    const document = bodyOf(await scope.api.get(path, Object.fromEntries(new URLSearchParams(query))));
    const schemas: ApiObject[] = Object.values(document.components.schemas);
    const ours = schemas.find((each) => each['x-kubernetes-group-version-kind']?.[0]?.kind === 'MicroVM');
    assert.deepEqual(ours['x-kubernetes-group-version-kind'], [{ group, kind: 'MicroVM', version: 'v1alpha1' }]);
    assert.deepEqual(ours.properties.spec.required.toSorted(), ['cpu', 'image', 'memory']);
    assert.match(ours.properties.spec.properties.memory.description, /MB/);
    assert.equal(ours.properties.spec.properties.env['x-kubernetes-list-type'], 'map');
    const collection = document.paths[`/apis/${group}/v1alpha1/namespaces/{namespace}/microvms`];
    assert.equal(collection.post['x-kubernetes-action'], 'post');
    assert.equal(collection.post['x-kubernetes-group-version-kind'].kind, 'MicroVM');
    const item = document.paths[`/apis/${group}/v1alpha1/namespaces/{namespace}/microvms/{name}`];
    const parameters = item.patch.parameters.map((each: ApiObject) => each.name);
    assert.ok(parameters.includes('fieldValidation') && parameters.includes('dryRun'));
    const scale = document.paths[`/apis/${group}/v1alpha1/namespaces/{namespace}/microvmpools/{name}/scale`];
    const [scaleBody] = Object.values<ApiObject>(scale.put.requestBody.content);
    assert.match(scaleBody.schema.$ref, /autoscaling\.v1\.Scale$/);
    assert.ok(index.paths['api/v1'] && index.paths['apis/coordination.k8s.io/v1']);
  });

  test('OpenAPI v2 has definitions, with descriptions beside references, and verbs with their parameters', async () => {
    const document = bodyOf(await scope.api.get('/openapi/v2'));
    assert.equal(document.swagger, '2.0');
    const { properties, ...microVm } = document.definitions['com.github.tvm.vvm.v1alpha1.MicroVM'];
    assert.deepEqual(microVm['x-kubernetes-group-version-kind'], [{ group, kind: 'MicroVM', version: 'v1alpha1' }]);
    assert.equal(properties.metadata.$ref, '#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta');
    assert.ok(properties.metadata.description);
    const { patch } = document.paths[`/apis/${group}/v1alpha1/namespaces/{namespace}/microvms/{name}`];
    assert.ok(patch.consumes.includes('application/merge-patch+json'));
    assert.ok(patch.parameters.some((one: ApiObject) => one.in === 'query' && one.name === 'dryRun'));
    assert.deepEqual(patch['x-kubernetes-group-version-kind'], { group, kind: 'MicroVM', version: 'v1alpha1' });
  });

  test('OpenAPI v2 as protobuf says what the JSON says', async () => {
    const json = bodyOf(await scope.api.get('/openapi/v2'));
    const response = await scope.api.open('/openapi/v2', { accept: protobuf });
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    assert.equal(response.headers['content-type'], protobuf.replace('@', '.'));
    const decoded = decodeSwagger(Buffer.concat(chunks));
    for (const part of ['definitions', 'paths']) {
      assert.deepEqual(Object.keys(decoded[part]).sort(), Object.keys(json[part]).sort());
      for (const [name, value] of Object.entries(json[part])) {
        assert.deepEqual(comparable(decoded[part][name]), comparable(value), name);
      }
    }
  });

  test("the kinds of Kubernetes have the fields, types and merge keys that the embedded server's schemas say", async () => {
    for (const name of ['api/v1', 'apis/coordination.k8s.io/v1', 'apis/events.k8s.io/v1']) {
      const theirs = bodyOf(await scope.api.get(`/openapi/v3/${name}`)).components.schemas;
      for (const [schemaName, schema] of Object.entries(publishedSchemas)) {
        if (!theirs[schemaName] || schemaName.endsWith('.DeleteOptions')) continue;
        const wanted = factsOf(schema, publishedSchemas);
        const found = factsOf(theirs[schemaName], theirs);
        for (const [path, value] of Object.entries(wanted))
          assert.deepEqual(found[path], value, `${schemaName} ${path}`);
      }
    }
  });

  test('a document that the client has is not sent again', async () => {
    const [entry] = Object.values<ApiObject>(bodyOf(await scope.api.get('/openapi/v3')).paths);
    const wanted = [
      { path: '/openapi/v2', accept: 'application/json' },
      { path: '/openapi/v2', accept: protobuf },
      { path: entry.serverRelativeURL, accept: 'application/json' },
    ];
    for (const { path, accept } of wanted) {
      const { etag = '' } = (await scope.api.get(path, {}, { accept })).headers;
      const again = await scope.api.get(path, {}, { accept, headers: { 'if-none-match': etag } });
      assert.deepEqual([again.status, again.text], [304, ''], path);
    }
  });

  test('no document in a format that nobody makes', async () => {
    assert.equal((await scope.api.get('/openapi/v2', {}, { accept: 'text/html' })).status, 406);
    assert.equal((await scope.api.get('/openapi/v3/none')).status, 404);
  });
});

/** What the protobuf form carries: nothing empty, no minimum of 0 as Kubernetes writes it, no names, tags and rare verbs. */
function comparable(value: unknown): unknown {
  const unreadFields = ['tags', 'operationId', 'schemes', 'deprecated'];
  const unreadVerbs = ['options', 'head'];
  return JSON.parse(JSON.stringify(value), function (this: ApiObject, key, field) {
    if ((Array.isArray(field) && field.length === 0) || (key === 'minimum' && field === 0)) return undefined;
    const isUnread = field?.responses ? unreadVerbs.includes(key) : this.responses && unreadFields.includes(key);
    return isUnread ? undefined : field;
  });
}
