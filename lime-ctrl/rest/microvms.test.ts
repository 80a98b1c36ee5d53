import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MicroVmView, watchEvent } from '@tvm/api/rest/microvms.ts';
import type { Problem } from '@tvm/api/rest/stream.ts';
import { eventually, postJson, startHarness } from '../testing/harness.ts';

const spec = { image: 'tvm/python', cpu: 1, memory: 128 };

test('declare, read, pause, delete; a name is made when none is given', async () => {
  await using harness = await startHarness();
  const read = async (response: Response) => (await response.json()) as MicroVmView;
  const created = await harness.fetch('/v1/microvms', postJson({ name: 'demo', spec, labels: { a: 'b' } }));
  assert.equal(created.status, 201);
  assert.deepEqual((await read(created)).labels, { a: 'b' });
  const phase = async () => (await read(await harness.fetch('/v1/microvms/demo'))).status.phase;
  await eventually(async () => (await phase()) === 'Running');
  const paused = await harness.fetch('/v1/microvms/demo/pause', { method: 'POST' });
  assert.equal((await read(paused)).spec.desiredState, 'Paused');
  await eventually(async () => (await phase()) === 'Paused');
  const deleted = await harness.fetch('/v1/microvms/demo', { method: 'DELETE' });
  assert.equal(deleted.status, 202);
  assert.equal((await read(deleted)).deleting, true);
  await eventually(async () => (await harness.fetch('/v1/microvms/demo')).status === 404);
  const unnamed = await read(await harness.fetch('/v1/microvms', postJson({ spec })));
  assert.match(unnamed.name, /^vm-/);
});

test('a watch gives what is there and what changes', async () => {
  await using harness = await startHarness();
  await harness.fetch('/v1/microvms', postJson({ name: 'one', spec }));
  const stop = new AbortController();
  const response = await harness.fetch('/v1/microvms', {
    headers: { accept: 'text/event-stream' },
    signal: stop.signal,
  });
  const seen: string[] = [];
  const reading = (async () => {
    for await (const chunk of response.body ?? []) {
      for (const line of new TextDecoder().decode(chunk).split('\n\n')) {
        if (!line.startsWith('data: ')) continue;
        const { type, object } = watchEvent.parse(JSON.parse(line.slice(6)));
        seen.push(`${type} ${object.name}`);
      }
    }
  })();
  reading.catch(() => {});
  await eventually(() => seen.includes('added one'));
  await harness.fetch('/v1/microvms/one/pause', { method: 'POST' });
  await eventually(() => seen.includes('modified one'));
  await harness.fetch('/v1/microvms/one', { method: 'DELETE' });
  await eventually(() => seen.includes('deleted one'));
  assert.equal(seen[0], 'added one');
  stop.abort();
});

test('a machine that is not there yet says how it stands', async () => {
  await using harness = await startHarness();
  await harness.fetch('/v1/microvms', postJson({ name: 'huge', spec: { ...spec, memory: 100_000 } }));
  const problem = await eventually(async () => {
    const response = await harness.fetch('/v1/microvms/huge/processes');
    const body = (await response.json()) as Problem;
    return body.reason === 'TooLarge' ? body : undefined;
  });
  assert.equal(problem.status, 412);
  assert.match(problem.detail, /Pending.*100000 MB/);
});

test('bad names, fields, queries', async () => {
  await using harness = await startHarness();
  const status = async (body: unknown) => (await harness.fetch('/v1/microvms', postJson(body))).status;
  assert.equal(await status({ name: 'Bad_Name', spec }), 400);
  assert.equal(await status({ name: 'x', spec: { ...spec, memory: 0 } }), 400);
  assert.equal(await status({ name: 'x', spec: { ...spec, colour: 'red' } }), 400);
  assert.equal(await status({ name: 'x', spec }), 201);
  assert.equal(await status({ name: 'x', spec }), 409);
  assert.equal((await harness.fetch('/v1/microvms?nonsense=1')).status, 400);
  for (const namespace of ['..', '', 'a/b', '%00']) {
    assert.equal((await harness.fetch(`/v1/microvms?namespace=${namespace}`)).status, 400, namespace);
  }
  assert.equal((await harness.fetch('/v1/microvms/none/start', { method: 'POST' })).status, 404);
});

test('/openapi.json and /docs need no token and load nothing', async () => {
  await using harness = await startHarness();
  const document = (await (await fetch(`${harness.url}/openapi.json`)).json()) as { paths: Record<string, object> };
  for (const path of ['/v1/execute', '/v1/microvms/{name}/files/content', '/v1/status'])
    assert.ok(document.paths[path], path);
  assert.doesNotMatch(await (await fetch(`${harness.url}/docs`)).text(), /(src|href)="(https?:)?\/\//);
});
