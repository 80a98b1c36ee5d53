// Code that misbehaves inside its machine: it is ended by its limits, its machine survives or ends with a reason, and other
// machines never notice.
import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import type { Problem } from '@tvm/api/rest/stream.ts';
import { residentMiB, vmmOfBoot } from './host-facts.ts';
import { type Service, startService } from './service.ts';
import { until } from './until.ts';

let service: Service;
let bystander: string;

before(async () => {
  service = await startService();
  await service.ok(['create', 'demo', '--memory', '192']);
  await service.ok(['create', 'bystander', '--memory', '128']);
  bystander = await bootIdOf('bystander');
});
afterEach(async () => {
  assert.equal(await bootIdOf('bystander'), bystander);
});
after(async () => {
  await service?.[Symbol.asyncDispose]();
});

const bash = (code: string, ...options: string[]) => ['execute', '--language', 'bash', ...options, code];
const inDemo = (...command: string[]) => service.ok(['exec', 'demo', '--', ...command]);
const shell = (script: string, ...options: string[]) =>
  service.vvm(['exec', ...options, 'demo', '--', 'bash', '-c', script]);
const bootIdOf = async (name: string) =>
  (await service.ok(['exec', name, '--', 'cat', '/proc/sys/kernel/random/boot_id'])).trim();
const processCount = async () => Number(await inDemo('sh', '-c', 'ls -d /proc/[0-9]* | wc -l'));

test('code that runs forever ends with 124 and its machine is gone, whatever it ignores', async () => {
  for (const script of [
    'exec sleep infinity',
    "trap '' TERM INT HUP; while :; do :; done",
    'setsid sleep 1000 & wait',
  ]) {
    const code = `cat /proc/sys/kernel/random/boot_id; ${script}`;
    const { code: exitCode, stdout, stderr } = await service.vvm(bash(code, '--timeout', '4'));
    assert.equal(exitCode, 124, stderr);
    assert.match(stderr, /time was up after 4 s/);
    assert.match(stdout, /^\S{36}\n/);
    await service.untilGone(stdout.trim());
  }
});

test('a fork bomb meets the limit of processes and ends with its time', async () => {
  const bomb = 'bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 1000';
  assert.equal((await shell(bomb, '--timeout', '10')).code, 124);
  // Where the bomb has left no memory, what asks may be ended itself.
  await until('its processes are gone', async () => (await processCount().catch(() => Infinity)) < 200);
  assert.equal(await inDemo('echo', 'alive'), 'alive\n');
  assert.equal((await service.vvm(bash(bomb, '--timeout', '5'))).code, 124);
});

test('a full disk is an error of the program that fills it; what is freed can be used again', async () => {
  const full = await shell('head -c 4G /dev/zero > /root/fill');
  assert.notEqual(full.code, 0);
  assert.match(full.stderr, /No space left/);
  const copied = await service.vvm(['cp', join(import.meta.dirname, 'service.ts'), 'demo:/root/copy']);
  assert.equal(copied.code, 1);
  assert.match(copied.stderr, /No space left/);
  await inDemo('rm', '/root/fill');
  await service.ok(['cp', join(import.meta.dirname, 'service.ts'), 'demo:/root/copy']);
});

test('a program that takes all memory is ended, its machine goes on', async () => {
  const bootId = await bootIdOf('demo');
  const hog = 'x = []\nwhile True: x.append(bytearray(1 << 20))';
  const { code } = await service.vvm(['exec', 'demo', '--', 'python3', '-c', hog]);
  assert.ok(code === 1 || code === 137, `${code}`);
  assert.equal(await bootIdOf('demo'), bootId);
  assert.equal(await inDemo('echo', 'alive'), 'alive\n');
  const executed = await service.vvm(['execute', hog]);
  assert.ok(executed.code === 1 || executed.code === 137, `${executed.code}`);
});

test('a flood on the console is bounded on disk and in memory; the machine answers meanwhile', async () => {
  const bootId = await bootIdOf('demo');
  const { folder, pid } = vmmOfBoot(service.home, bootId) ?? { folder: '', pid: 0 };
  const log = join(folder, 'output.log');
  const flintlock = service.pidOf('flintlock');
  const before = [residentMiB(flintlock), residentMiB(pid)];
  const flood = 'yes "$(head -c 200 /dev/zero | tr "\\0" x)" > /dev/ttyS0 & while :; do echo flood > /dev/kmsg; done';
  await using flooding = service.start(['exec', 'demo', '--', 'bash', '-c', flood]);
  await until('the log is full and has turned', () => existsSync(`${log}.1`) && (sizeOf(log) ?? 0) > 100_000, 120_000);
  assert.equal(await inDemo('echo', 'alive'), 'alive\n');
  for (const file of [log, `${log}.1`])
    assert.ok((await until(`${file} is there`, () => sizeOf(file))) <= 1024 * 1024, file);
  const grown = [residentMiB(flintlock), residentMiB(pid)].map((now, index) => now - (before[index] ?? 0));
  assert.ok(
    grown.every((each) => each < 100),
    `${grown} MiB`,
  );
  assert.ok((await service.ok(['logs', 'demo', '--tail', '1000'])).length < 1024 * 1024);
  await shell('kill -9 -1');
  assert.equal((await flooding.finished).code, 137);
});

test('a guest that resets itself or crashes its kernel ends its run with a reason; a declared machine comes back', async () => {
  for (const [trigger, reason] of [
    ['b', /GuestPoweredOff|GuestLost/],
    ['c', /GuestPanic|GuestLost/],
  ] as const) {
    const script = `echo ${trigger} > /proc/sysrq-trigger; sleep 1000`;
    const { code, stdout, stderr } = await service.vvm(bash(script, '--json'));
    assert.equal(code, 125, stderr);
    const { error } = JSON.parse(stdout) as { error: Problem };
    assert.equal(error.code, 'unavailable');
    assert.match(error.reason ?? '', reason);
  }
  const bootId = await bootIdOf('demo');
  await shell('echo c > /proc/sysrq-trigger; sleep 1000');
  await until('demo has booted anew', async () => {
    const again = await service.vvm(['exec', 'demo', '--', 'cat', '/proc/sys/kernel/random/boot_id']);
    return again.code === 0 && again.stdout.trim() !== bootId;
  });
});

test('process 1 cannot be killed from inside', async () => {
  const bootId = await bootIdOf('demo');
  await shell('kill -9 1; kill -SEGV 1; kill -9 -1');
  assert.equal(await bootIdOf('demo'), bootId);
});

/** Undefined while it turns, when its name is free for a moment. */
function sizeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.size;
}
