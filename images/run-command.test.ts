import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { TvmError } from '@tvm/api/errors.ts';
import { runChecked, runCommand } from './run-command.ts';

const timeoutMs = 20_000;
/** How long commands sleep here: nobody else's do, not even those of another run of this test. */
const sleeps = [1, 2, 3].map((nth) => `3153600${nth}.${process.pid}`) as [string, string, string];
const sh = (script: string) => ({ program: 'sh', args: ['-c', script], timeoutMs });

/** Whether a process of this host has the argument among its own. */
function isRunning(argument: string): boolean {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .some((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(argument);
      } catch {
        return false;
      }
    });
}

async function untilGone(argument: string): Promise<void> {
  for (const deadline = Date.now() + timeoutMs; isRunning(argument); await delay(50)) {
    assert.ok(Date.now() < deadline, `sleep ${argument} still runs`);
  }
}

it('returns outputs apart, the exit code, and lines as they come', async () => {
  const lines: string[] = [];
  const result = await runCommand({ ...sh('echo out; echo err >&2; exit 3'), onLine: (line) => lines.push(line) });
  assert.deepEqual({ ...result, stdout: result.stdout.toString() }, { exitCode: 3, stdout: 'out\n', stderr: 'err\n' });
  assert.deepEqual(lines.sort(), ['err', 'out']);
});

it('names a missing program and its package', async () => {
  await assert.rejects(
    runCommand({ program: 'no-such-program', args: [], timeoutMs }),
    (error: TvmError) => error.code === 'failed_precondition' && /apt-get install/.test(error.hint ?? ''),
  );
});

it('bounds what it keeps', async () => {
  await assert.rejects(runCommand(sh('yes')), (error: TvmError) => error.code === 'resource_exhausted');
  const { stderr } = await runCommand(sh('yes | head -c 1000000 >&2; echo end >&2'));
  assert.ok(stderr.length <= 64 * 1024 && stderr.endsWith('end\n'));
});

it('ends the whole tree when canceled or late', async () => {
  const stop = new AbortController();
  const [first, second] = sleeps;
  const canceled = runCommand({ ...sh(`sleep ${first} & sleep ${first}`), signal: stop.signal });
  setTimeout(() => stop.abort(), 200);
  await assert.rejects(canceled, (error: TvmError) => error.code === 'canceled');
  await untilGone(first);
  const late = runCommand({ ...sh(`sleep ${second} & sleep ${second}`), timeoutMs: 200 });
  await assert.rejects(late, (error: TvmError) => error.code === 'deadline_exceeded');
  await untilGone(second);
});

it('does not start when canceled before', async () => {
  await assert.rejects(
    runCommand({ ...sh('true'), signal: AbortSignal.abort() }),
    (error: TvmError) => error.code === 'canceled',
  );
});

it('ends the command when this process is killed', async () => {
  const module = fileURLToPath(new URL('./run-command.ts', import.meta.url));
  const script = `
    import { runCommand } from ${JSON.stringify(module)};
    await runCommand({ program: 'sh', args: ['-c', 'echo up; sleep ${sleeps[2]}'], timeoutMs: 60000, onLine: console.log });`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(parent.stdout, 'data');
  parent.kill('SIGKILL');
  await untilGone(sleeps[2]);
});

it('gives the end of stderr when a checked command fails', async () => {
  await assert.rejects(runChecked(sh('echo why >&2; exit 1')), /sh failed \(exit 1\): why/);
});
