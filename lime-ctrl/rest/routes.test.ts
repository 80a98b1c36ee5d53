// Every route that is served has rules, and every rule a route.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { routeRules } from '../access/route-rules.ts';
import { type AppDeps, makeApp } from './app.ts';
import { proxyRoutes } from './port-targets.ts';
import { socketRoutes } from './socket-server.ts';

test('routes and rules are the same set', () => {
  const { routes } = makeApp({ version: 'test' } as AppDeps);
  const served = routes
    .filter(({ method, path }) => method !== 'ALL' && path.startsWith('/v1/'))
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
  const streams = socketRoutes.map((path) => `CONNECT ${path}`);
  const proxied = proxyRoutes.map((path) => `ANY ${path}`);
  const ruled = Object.keys(routeRules).filter((operation) => !operation.startsWith('WATCH '));
  assert.deepEqual([...served, ...streams, ...proxied].toSorted(), ruled.toSorted());
  for (const operation of Object.keys(routeRules)) {
    if (operation.startsWith('WATCH ')) assert.ok(served.includes(operation.replace('WATCH', 'GET')), operation);
  }
});
