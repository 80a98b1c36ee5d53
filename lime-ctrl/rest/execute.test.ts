import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExecuteResult } from '@tvm/api/rest/execute.ts';
import { executeEvent, type Problem } from '@tvm/api/rest/stream.ts';
import { eventually, postJson, startHarness } from '../testing/harness.ts';

const warm = [{ image: 'tvm/python', cpu: 1, memory: 256, interpreter: 'python' }];

test('a run gives its output, its exit code, and its machine is gone', async () => {
  await using harness = await startHarness({ warm });
  await eventually(() => harness.pool.view()[0]?.waiting);
  const response = await harness.fetch('/v1/execute', postJson({ code: 'print hello\nerr oops\nexit 3' }));
  assert.equal(response.status, 200);
  const result = (await response.json()) as ExecuteResult;
  assert.equal(result.stdout, 'hello\n');
  assert.equal(result.stderr, 'oops\n');
  assert.equal(result.exitCode, 3);
  assert.equal(result.machine.warm, true);
  await eventually(() => !harness.flintlock.machines.has(result.machine.id));
  await eventually(() => harness.pool.view()[0]?.waiting);
  assert.deepEqual(harness.kube.writes, []);
});

test('a machine is never used twice, also when many ask at once', async () => {
  await using harness = await startHarness({ warm });
  const responses = await Promise.all(
    Array.from({ length: 12 }, () => harness.fetch('/v1/execute', postJson({ code: 'print x' }))),
  );
  const results = (await Promise.all(responses.map((each) => each.json()))) as ExecuteResult[];
  assert.equal(new Set(results.map(({ machine }) => machine.id)).size, 12);
  assert.ok(results.every(({ stdout }) => stdout === 'x\n'));
});

test('stdin, environment', async () => {
  await using harness = await startHarness();
  const response = await harness.fetch(
    '/v1/execute',
    postJson({ code: 'cat\nenv WHO', stdin: 'in ', env: { WHO: 'me' } }),
  );
  assert.equal(((await response.json()) as ExecuteResult).stdout, 'in me\n');
});

test('time is up: exit code 124', async () => {
  await using harness = await startHarness();
  const response = await harness.fetch('/v1/execute', postJson({ code: 'print before\nhang', timeoutSeconds: 0.05 }));
  const result = (await response.json()) as ExecuteResult;
  assert.equal(result.exitCode, 124);
  assert.equal(result.timedOut, true);
  assert.equal(result.stdout, 'before\n');
});

test('output beyond 1 MiB is cut and said to be', async () => {
  await using harness = await startHarness();
  const response = await harness.fetch('/v1/execute', postJson({ code: 'forever', timeoutSeconds: 0.2 }));
  const result = (await response.json()) as ExecuteResult;
  assert.equal(result.stdout.length, 1_048_576);
  assert.equal(result.truncated, true);
  assert.equal(result.exitCode, 124);
});

test('NDJSON: events in order, an error is the last line', async () => {
  await using harness = await startHarness();
  const ask = async (body: object) => {
    const init = postJson(body);
    const headers = { ...(init.headers as Record<string, string>), accept: 'application/x-ndjson' };
    const text = await (await harness.fetch('/v1/execute', { ...init, headers })).text();
    return text
      .trimEnd()
      .split('\n')
      .map((line) => executeEvent.parse(JSON.parse(line)));
  };
  const events = await ask({ code: 'print a\nerr b\nexit 1' });
  assert.deepEqual(
    events.map(({ type }) => type).filter((type) => type !== 'progress'),
    ['started', 'stdout', 'stderr', 'exited'],
  );
  harness.flintlock.badImages.set('no/such', 'manifest unknown');
  const last = (await ask({ code: 'x', image: 'no/such' })).at(-1);
  assert.ok(last?.type === 'error' && last.problem.reason === 'ImagePullFailed');
  assert.match(last.problem.detail, /manifest unknown/);
  const kept = harness.pool.view().map(({ image }) => image);
  assert.deepEqual(kept, ['tvm/python'], 'what never ran is not kept waiting');
});

test('the machine dies in the middle: its reason is told', async () => {
  await using harness = await startHarness();
  const asked = harness.fetch('/v1/execute', postJson({ code: 'print x\nhang' }));
  await eventually(() => [...harness.flintlock.machines.values()].some((machine) => machine.used));
  const [uid] = harness.flintlock.machines.keys();
  harness.flintlock.goAway();
  await asked.then(async (response) => {
    const problem = (await response.json()) as Problem;
    assert.equal(problem.code, 'unavailable', problem.detail);
    assert.equal(response.status, 503);
  });
  harness.flintlock.restore();
  await eventually(() => !harness.flintlock.machines.has(uid ?? ''));
});

test('the client goes away: the machine is destroyed', async () => {
  await using harness = await startHarness();
  const gone = new AbortController();
  const asked = harness.fetch('/v1/execute', { ...postJson({ code: 'hang' }), signal: gone.signal });
  await eventually(() => [...harness.flintlock.machines.values()].some((machine) => machine.used));
  gone.abort();
  await assert.rejects(asked);
  await eventually(
    () => harness.flintlock.machines.size === 0 || [...harness.flintlock.machines.values()].every(({ used }) => !used),
  );
});

test('bad requests name the field and what is known', async () => {
  await using harness = await startHarness();
  const refused = async (body: unknown) => {
    const response = await harness.fetch('/v1/execute', postJson(body));
    assert.equal(response.headers.get('content-type'), 'application/problem+json');
    const problem = (await response.json()) as Problem;
    assert.equal(problem.status, response.status);
    return problem;
  };
  const unknown = await refused({ code: 'x', langage: 'python' });
  assert.equal(unknown.status, 400);
  assert.match(unknown.detail, /langage/);
  assert.match(unknown.hint ?? '', /language/);
  assert.match((await refused({ code: 'x', language: 'cobol' })).detail, /body\.language: .*python/);
  assert.match((await refused({ code: 'x', memory: 0 })).detail, /body\.memory/);
  assert.match((await refused({})).detail, /body\.code/);
  const large = await refused({ code: 'x', memory: 1_000_000 });
  assert.equal(large.code, 'invalid_argument');
  assert.match(large.detail, /4096 MB/);
  assert.match((await refused([])).detail, /object/);
});

test('too many at once: 429 with whole seconds', async () => {
  await using harness = await startHarness({ maxExecutions: 1, maxQueued: 1 });
  const stop = new AbortController();
  const hang = () =>
    harness.fetch('/v1/execute', { ...postJson({ code: 'hang' }), signal: stop.signal }).catch(() => {});
  const first = hang();
  await eventually(() => harness.flintlock.machines.size > 0);
  const second = hang();
  const response = await eventually(async () => {
    const asked = await harness
      .fetch('/v1/execute', { ...postJson({ code: 'print 1' }), signal: AbortSignal.timeout(200) })
      .catch(() => undefined);
    return asked?.status === 429 ? asked : undefined;
  });
  assert.match(response.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
  const streamed = postJson({ code: 'print 1' });
  const headers = { ...(streamed.headers as Record<string, string>), accept: 'application/x-ndjson' };
  const refused = await harness.fetch('/v1/execute', { ...streamed, headers });
  assert.equal(refused.status, 429, 'what has not begun is no stream');
  const { retryAfterSeconds } = (await refused.json()) as Problem;
  assert.equal(refused.headers.get('retry-after'), String(retryAfterSeconds));
  stop.abort();
  await Promise.all([first, second]);
});

test('no token, a wrong token, a wrong body: refused with what to do', async () => {
  await using harness = await startHarness();
  for (const authorization of ['', 'Bearer nonsense-nonsense', 'Basic abc', `Bearer ${'x'.repeat(2000)}`]) {
    const response = await harness.fetch('/v1/status', { headers: { authorization } });
    assert.equal(response.status, 401);
    assert.ok(((await response.json()) as Problem).hint);
  }
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{' };
  assert.equal((await harness.fetch('/v1/execute', init)).status, 400);
  assert.equal((await harness.fetch('/v1/execute', { method: 'POST', body: '{}' })).status, 400);
  assert.equal((await harness.fetch('/v1/nothing')).status, 404);
  const vast = await harness.fetch('/v1/execute', postJson({ code: 'x'.repeat(9_000_000) }));
  assert.deepEqual([vast.status, vast.headers.get('connection')], [413, 'close']);
  assert.match(((await vast.json()) as Problem).detail, /8388608 bytes/);
});

test('a stream whose reader leaves before it reads takes its run with it', async () => {
  await using harness = await startHarness();
  const init = postJson({ code: 'print x\nhang' });
  const headers = { ...(init.headers as Record<string, string>), accept: 'application/x-ndjson' };
  for (let count = 0; count < 3; count++) {
    const stop = new AbortController();
    const asked = harness.fetch('/v1/execute', { ...init, headers, signal: stop.signal });
    await eventually(() => harness.flintlock.machines.size > 0);
    if (count > 0) await asked;
    stop.abort();
    await asked.catch(() => {});
    await eventually(() => [...harness.flintlock.machines.values()].every(({ labels }) => labels.owner !== 'execute'));
  }
});
