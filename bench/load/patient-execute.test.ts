import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import type { ExecuteResult } from '@tvm/api/rest/execute.ts';
import { executePatiently } from './patient-execute.ts';

const result = (stdout: string): ExecuteResult => ({
  ...{ exitCode: 0, stdout, stderr: '', timedOut: false, truncated: false, durationMs: 1 },
  machine: { id: 'm', image: 'i', bootId: 'b', warm: true, start: 'warm' },
});

function serverThat(...answers: (ExecuteResult | Error)[]) {
  return {
    execute: async () => {
      const answer = answers.shift();
      if (answer === undefined || answer instanceof Error) throw answer;
      return answer;
    },
  };
}

test('comes again after as long as the server says', async () => {
  const pauses: number[] = [];
  const busy = new TvmError('resource_exhausted', 'busy', { retryAfterSeconds: 7 });
  const rest = serverThat(busy, new TvmError('resource_exhausted', 'busy'), result('5\n'));
  const { refusals, start } = await executePatiently(rest, 5, async (ms) => pauses.push(ms));
  assert.deepEqual([refusals, start, pauses], [2, 'warm', [7000, 1000]]);
});

test('another failure, and the output of somebody else, are failures', async () => {
  await assert.rejects(executePatiently(serverThat(new TvmError('unavailable', 'gone')), 5), /gone/);
  await assert.rejects(executePatiently(serverThat(result('6\n')), 5), /printed "6\\n"/);
});
