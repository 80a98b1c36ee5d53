// All that both revisions of the protocol require, and tasks: of the fixture in a microVM through the bridge, and of the
// product's own endpoint with the fixture beside its tools.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { revisions, runConformance, type Target } from './conformance.ts';
import { startServiceWithSession } from './machine-session.ts';
import { startOwnEndpoint } from './own-endpoint.ts';
import { noteScore } from './scores.ts';

const required = { '2025-11-25': 30, '2026-07-28': 37 };
const tasks = { '2025-11-25': 0, '2026-07-28': 10 };

async function check(name: string, target: Target): Promise<void> {
  const reports: string[] = [];
  for (const revision of revisions) {
    const result = await runConformance(target, revision);
    noteScore(name, revision, result);
    if (result.required.failed.length + result.tasks.failed.length > 0) reports.push(`${revision}: ${result.report}`);
    if (result.required.passed.length < required[revision]) reports.push(`${revision}: fewer than it requires`);
    if (result.tasks.passed.length < tasks[revision]) reports.push(`${revision}: fewer tasks-* than there are`);
  }
  assert.equal(reports.join('\n'), '');
}

test('the own endpoint', async () => {
  await using own = await startOwnEndpoint();
  await check('own endpoint', own.target);
});

test('a server in a microVM, through the bridge', async () => {
  await using running = await startServiceWithSession();
  await check('in a microVM, through the bridge', running.fixture);
});
