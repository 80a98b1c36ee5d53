import assert from 'node:assert/strict';
import test from 'node:test';
import type { ServerContext } from '@modelcontextprotocol/server';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import { makeReporter } from './reporter.ts';

function client(progressToken: string | undefined) {
  const told: { progress: number; message: string }[] = [];
  const logged: unknown[] = [];
  const mcpReq = {
    _meta: { progressToken },
    notify: async ({ params }: { params: { progress: number; message: string } }) => void told.push(params),
    log: async (_level: string, data: unknown) => void logged.push(data),
  };
  return { told, logged, ctx: { mcpReq } as unknown as ServerContext };
}

test('a machine that prints without end does not flood the client', async () => {
  const clock = makeManualClock();
  const { told, logged, ctx } = client('token');
  const reporter = makeReporter(ctx, { clock, tool: 'run_command' });
  for (let at = 0; at < 2_000; at += 1) {
    reporter.output('stdout', 'x'.repeat(100_000));
    await clock.advance(200);
  }
  await reporter.end();
  assert.ok(told.length + logged.length <= 600);
  assert.ok(told.every(({ message }) => message.length <= 4_096));
  assert.ok(told.every(({ progress }, at) => at === 0 || progress > (told[at - 1]?.progress ?? 0)));
});

test('a silent one gives a sign of life, and a client that asked for no progress hears none', async () => {
  for (const token of ['token', undefined]) {
    const clock = makeManualClock();
    const { told, ctx } = client(token);
    const reporter = makeReporter(ctx, { clock, tool: 'run_command' });
    for (let at = 0; at < 110; at += 1) await clock.advance(200);
    await reporter.end();
    assert.deepEqual(
      told.map(({ message }) => message),
      token ? ['run_command has run for 10 s', 'run_command has run for 20 s'] : [],
    );
  }
});
