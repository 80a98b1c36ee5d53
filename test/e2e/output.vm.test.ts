// Output without end: the reader's pace is the program's, nothing on the way holds more than a window, and who leaves takes
// the run along.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ExecuteResult } from '@tvm/api/rest/execute.ts';
import { residentMiB, vmmOfBoot } from './host-facts.ts';
import { type Service, startService } from './service.ts';
import { until } from './until.ts';

const gibibyte = 1024 ** 3;
/** What a process may grow by, whatever passes through it. */
const mostGrownMiB = 96;
const idleCommandMiB = 100;
/** Of demo: its memory, and what QEMU keeps of translated code. */
const fullVmmMiB = 192 + 128;

let service: Service;

before(async () => {
  service = await startService();
  await service.ok(['create', 'demo', '--memory', '192']);
});
after(async () => {
  await service?.[Symbol.asyncDispose]();
});

const inDemo = (...command: string[]) => service.ok(['exec', 'demo', '--', ...command]);

/** How much each part has grown since, MiB. */
function watchGrowth(): () => Record<string, number> {
  const parts = Object.entries(service.state().parts).map(([name, { pid = 0 }]) => ({ name, pid }));
  const before = new Map(parts.map(({ pid }) => [pid, residentMiB(pid)]));
  return () =>
    Object.fromEntries(parts.map(({ name, pid }) => [name, Math.round(residentMiB(pid) - (before.get(pid) ?? 0))]));
}

function assertBounded(grown: Record<string, number>): void {
  for (const [name, mib] of Object.entries(grown)) assert.ok(mib < mostGrownMiB, `${name} grew by ${mib} MiB`);
}

/** Bytes that the program `dd` in demo has written. */
async function written(): Promise<number> {
  const io = await inDemo('sh', '-c', 'cat /proc/$(pidof dd)/io');
  return Number(/^wchar: (\d+)/m.exec(io)?.[1]);
}

test('a reader that stops stops the program; 1 GiB passes and no process grows', async () => {
  const growthOfParts = watchGrowth();
  const vmm = vmmOfBoot(service.home, (await inDemo('cat', '/proc/sys/kernel/random/boot_id')).trim())?.pid ?? 0;
  const print = ['dd', 'if=/dev/zero', 'bs=64K', `count=${gibibyte / 65_536}`, 'status=none'];
  const command = ['exec', 'demo', '--', ...print];
  await using program = service.start(command, { reads: false, timeoutMs: 400_000 });
  const stalledAt = await until('the program waits for its reader', async () => {
    const earlier = await written().catch(() => 0);
    return earlier > 0 && earlier === (await written()) && earlier;
  });
  assert.ok(stalledAt < 16 * 1024 ** 2, `${stalledAt} bytes were taken that nobody has read`);
  const growth = () => ({
    ...growthOfParts(),
    command: residentMiB(program.pid) - idleCommandMiB,
    vmm: residentMiB(vmm) - fullVmmMiB,
  });
  assertBounded(growth());
  let received = 0;
  let sampledAt = 0;
  const peaks: Record<string, number> = {};
  program.child.stdout?.on('data', (chunk: Buffer) => {
    received += chunk.length;
    if (received - sampledAt < 16 * 1024 ** 2) return;
    sampledAt = received;
    for (const [name, mib] of Object.entries(growth())) peaks[name] = Math.max(peaks[name] ?? 0, mib);
  });
  assert.equal((await program.finished).code, 0);
  assert.equal(received, gibibyte);
  assertBounded(peaks);
});

test('a run whose reader has stopped ends by its time all the same', async () => {
  const code = 'cat /proc/sys/kernel/random/boot_id; exec yes';
  const args = ['execute', '--language', 'bash', '--timeout', '4', code];
  await using program = service.start(args, { reads: false });
  program.child.stdout?.once('data', () => program.child.stdout?.pause());
  await until('the run has a machine', () => service.vmmsOfRuns().length === 1);
  const growth = watchGrowth();
  await until('its machine is gone', () => service.vmmsOfRuns().length === 0);
  assertBounded(growth());
  program.child.stdout?.resume();
  assert.equal((await program.finished).code, 124);
});

test('REST keeps the first MiB of each output and says that there was more', async () => {
  const growth = watchGrowth();
  const code = 'yes out | head -c 30M; yes err | head -c 3M >&2; exit 3';
  const body = JSON.stringify({ code, language: 'bash' });
  const result = (await (await service.rest('/v1/execute', { method: 'POST', body })).json()) as ExecuteResult;
  assert.deepEqual([result.exitCode, result.truncated], [3, true]);
  assert.deepEqual([result.stdout.length, result.stderr.length], [1024 ** 2, 1024 ** 2]);
  assertBounded(growth());
  const cli = JSON.parse((await service.vvm(['execute', '--json', '-l', 'bash', code])).stdout) as ExecuteResult;
  assert.deepEqual([cli.exitCode, cli.truncated], [3, true]);
  assert.ok(cli.stdout.length <= 1024 ** 2);
});

test('a client that is killed takes its run along; one that is interrupted too', async () => {
  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGHUP'] as const) {
    const code = 'cat /proc/sys/kernel/random/boot_id; sleep 1000';
    await using program = service.start(['execute', '--language', 'bash', '--timeout', '900', code]);
    const bootId = await until('the run has begun', () => /^\S{36}\n/.exec(program.stdout())?.[0].trim());
    program.child.kill(signal);
    assert.ok((await program.finished).code >= 128, signal);
    await service.untilGone(bootId);
  }
});

test('a pipe that closes early ends the run with 141', async () => {
  await using program = service.start(['execute', '--language', 'bash', 'exec yes'], { timeoutMs: 60_000 });
  await until('there is output', () => program.stdout().length > 0);
  program.child.stdout?.destroy();
  assert.equal((await program.finished).code, 141);
  await until('its machine is gone', () => service.vmmsOfRuns().length === 0);
});
