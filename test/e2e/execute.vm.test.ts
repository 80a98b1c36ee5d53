// The main job: code in, a machine of its own runs it, output back.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ExecuteResult } from '@tvm/api/rest/execute.ts';
import { type Service, startService } from './service.ts';

let service: Service;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tvm-code-'));
  service = await startService();
});
after(async () => {
  await rm(folder, { recursive: true });
  await service?.[Symbol.asyncDispose]();
});

async function runJson(...args: string[]): Promise<ExecuteResult> {
  return JSON.parse(await service.ok(['execute', '--json', ...args]));
}

const bash = (code: string, ...args: string[]) => ['execute', '--language', 'bash', code, ...args];

test('a line of Python prints its greeting', async () => {
  const { code, stdout } = await service.vvm(['execute', "print('Hello from Firecracker!')"]);
  assert.deepEqual({ code, stdout }, { code: 0, stdout: 'Hello from Firecracker!\n' });
});

test('the code runs in a virtual machine: kernel, process 1, boot and devices are not those of the host', async () => {
  const script =
    'uname -a; cat /proc/1/comm /proc/sys/kernel/random/boot_id; ls /sys/class/net; id -u; cat /proc/meminfo';
  const [uname = '', init, bootId, ...rest] = (await service.ok(bash(script))).trim().split('\n');
  assert.notEqual(uname.split(' ')[2], readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim());
  assert.notEqual(init, readFileSync('/proc/1/comm', 'utf8').trim());
  assert.match(bootId ?? '', /^[0-9a-f-]{36}$/);
  assert.notEqual(bootId, readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
  const memoryKiB = Number(/MemTotal:\s+(\d+)/.exec(rest.join('\n'))?.[1]);
  assert.ok(memoryKiB < 256 * 1024, `${memoryKiB} KiB`);
  const interfaces = rest.slice(0, rest.indexOf('0'));
  assert.deepEqual(
    interfaces.filter((name) => name !== 'lo'),
    [],
  );
  await service.untilGone(bootId ?? '');
});

test('a waiting machine is used, each by one run only, and nothing of a run is found by the next', async () => {
  await service.untilWaits('tvm/python');
  const warm = await runJson('-l', 'bash', 'cat /proc/sys/kernel/random/boot_id; echo mine > /root/trace');
  assert.equal(warm.machine.warm, true);
  assert.equal(warm.stdout.trim(), warm.machine.bootId);
  await service.untilGone(warm.machine.bootId);
  const next = await runJson('-l', 'bash', 'cat /proc/sys/kernel/random/boot_id; cat /root/trace || true');
  assert.equal(next.stdout.trim(), next.machine.bootId);
  assert.notEqual(next.machine.bootId, warm.machine.bootId);
  assert.notEqual(next.machine.id, warm.machine.id);
});

test('Node.js and bash run what they are given', async () => {
  const node = await service.ok([
    'execute',
    '--language',
    'node',
    'console.log(process.platform, [1, 2].map((x) => x * 2))',
  ]);
  assert.equal(node, 'linux [ 2, 4 ]\n');
  assert.equal(await service.ok(bash('set -o | grep -c pipefail; echo {1..3}')), '1\n1 2 3\n');
});

test("exit codes are the guest's own", async () => {
  for (const wanted of [1, 7, 255]) assert.equal((await service.vvm(bash(`exit ${wanted}`))).code, wanted);
  assert.equal((await service.vvm(bash('kill -9 $$'))).code, 137);
  const failed = await service.vvm(['execute', 'raise ValueError("no")']);
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /^Traceback.*ValueError: no\n$/ms);
});

test('standard output and standard error stay apart', async () => {
  const { stdout, stderr } = await service.vvm(bash('for i in $(seq 200); do echo out$i; echo err$i >&2; done'));
  const lines = (word: string) => Array.from({ length: 200 }, (_, i) => `${word}${i + 1}\n`).join('');
  assert.equal(stdout, lines('out'));
  assert.ok(stderr.endsWith(lines('err')), stderr.slice(-200));
});

test('bytes pass unchanged in both directions', async () => {
  const input = randomBytes(5 * 1024 * 1024);
  const { code, bytes, stderr } = await service.vvm(bash('exec cat'), { stdin: input });
  assert.equal(code, 0, stderr);
  assert.equal(bytes.length, input.length);
  assert.ok(bytes.equals(input));
});

test('a program that never reads its input ends in peace', async () => {
  const { code, stdout } = await service.vvm(bash('echo done'), { stdin: Buffer.alloc(8 * 1024 * 1024) });
  assert.deepEqual({ code, stdout }, { code: 0, stdout: 'done\n' });
});

test('arguments and variables arrive as they are', async () => {
  const odd = ['a b', '', '--flag', '$HOME', "it's", 'zwölf\nlines', '*'];
  const code = 'import json, os, sys; print(json.dumps([sys.argv[1:], os.environ["ONE"], os.environ["HANDED"]]))';
  const printed = await service.ok(['execute', code, '-e', 'ONE=x=y z', '-e', 'HANDED', '--', ...odd], {
    env: { HANDED: 'ünïcode' },
  });
  assert.deepEqual(JSON.parse(printed), [odd, 'x=y z', 'ünïcode']);
});

test('code comes from a file, from standard input, with any text, empty or long', async () => {
  const file = join(folder, 'script.js');
  await writeFile(file, 'console.log("from a file", process.argv.slice(2))');
  assert.equal(await service.ok(['execute', '-f', file, '--', 'x']), "from a file [ 'x' ]\n");
  assert.equal(await service.ok(['execute', '-'], { stdin: 'print("日本語 🎰")' }), '日本語 🎰\n');
  assert.equal(await service.ok(['execute', '-f', '-', '-l', 'bash'], { stdin: 'echo "$0" | wc -l' }), '1\n');
  assert.equal(await service.ok(['execute', 'pass']), '');
  const long = `${'# padding\n'.repeat(50_000)}print(6 * 7)\n`;
  assert.equal(await service.ok(['execute', '-'], { stdin: long }), '42\n');
});

test('limits of a run hold in its machine; wrong ones are refused', async () => {
  const forks = `
import os, signal, time
children = []
try:
    while len(children) < 100:
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        children.append(child)
except BlockingIOError:
    pass
for child in children:
    os.kill(child, signal.SIGKILL)
print(len(children))`;
  assert.equal(await service.ok(['execute', forks]), '100\n');
  const limited = Number(await service.ok(['execute', '--limit', 'processes=40', '--limit', 'cpuPercent=90', forks]));
  assert.ok(limited > 0 && limited < 40, `${limited} processes`);
  const needless = await service.vvm(['execute', '--limit', 'networkBytesPerSecond=65536', 'pass']);
  assert.match(needless.stderr, /needs a network: set network.egress/);
  const body = JSON.stringify({ code: 'pass', limits: { cpuPercent: 0 } });
  assert.equal((await service.rest('/v1/execute', { method: 'POST', body })).status, 400);
});

test('many runs at once each get their own answer', async () => {
  const answers = await Promise.all([1, 2, 3, 4, 5].map((n) => service.ok(bash(`sleep 1; echo run ${n}`))));
  assert.deepEqual(
    answers,
    [1, 2, 3, 4, 5].map((n) => `run ${n}\n`),
  );
});

test('REST answers with the same result as one object, and as events', async () => {
  const body = JSON.stringify({
    code: 'import sys; print(input()); print("e", file=sys.stderr); sys.exit(3)',
    stdin: 'in\n',
  });
  const response = await service.rest('/v1/execute', { method: 'POST', body });
  assert.equal(response.status, 200);
  const result = (await response.json()) as ExecuteResult;
  assert.deepEqual([result.exitCode, result.stdout, result.stderr], [3, 'in\n', 'e\n']);
  const headers = { accept: 'application/x-ndjson' };
  const events = await (await service.rest('/v1/execute', { method: 'POST', body, headers })).text();
  const kinds = events
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).type);
  for (const kind of ['started', 'stdout', 'stderr', 'exited']) assert.ok(kinds.includes(kind), `${kind} in ${kinds}`);
});
