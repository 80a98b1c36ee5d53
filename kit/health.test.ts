import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serveHealth } from './health.ts';
import { Counter, makeRegistry, serveMetrics } from './metrics.ts';

const anyPort = { host: '127.0.0.1', port: 0 };

test('live is not ready; what is missing is named', async () => {
  let missing: string | undefined = 'no node answers';
  await using health = await serveHealth({ flintlock: () => missing }, anyPort, { some: () => 'worth a look' });
  assert.equal((await fetch(`${health.url}/livez`)).status, 200);
  const notReady = await fetch(`${health.url}/readyz`);
  assert.equal(notReady.status, 503);
  assert.equal(await notReady.text(), 'flintlock: no node answers\nsome: worth a look\n');
  missing = undefined;
  const ready = await fetch(`${health.url}/readyz`);
  assert.deepEqual([ready.status, await ready.text()], [200, 'some: worth a look\n']);
  assert.equal((await fetch(`${health.url}/healthz`)).status, 200);
  assert.equal((await fetch(`${health.url}/`)).status, 404);
});

test('metrics are served as text', async () => {
  const registry = makeRegistry();
  new Counter({ name: 'some_total', help: 'h', registers: [registry] }).inc(3);
  await using metrics = await serveMetrics(registry, anyPort);
  assert.match(await (await fetch(`${metrics.url}/metrics`)).text(), /^some_total 3$/m);
});
