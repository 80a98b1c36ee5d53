// One service a home, whoever starts it and how often; one that cannot be started says why and leaves nothing.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { readConfig } from '../config.ts';
import { processesOf } from './host-facts.ts';
import { makeService } from './service.ts';
import { until } from './until.ts';

const supervisors = (home: string) => processesOf(home).filter(({ command }) => command.includes('supervisor-main'));

test('many starts at once end with one service, and commands may be the ones that start it', async () => {
  await using service = await makeService();
  const commands = [['up'], ['up'], ['list'], ['execute', 'print(6 * 7)'], ['up']];
  const ended = await Promise.all(commands.map((args) => service.vvm(args)));
  for (const { code, stderr } of ended) assert.equal(code, 0, stderr);
  assert.equal(ended[3]?.stdout, '42\n');
  const told = ended.flatMap(({ stdout }) => /^running: (.*)$/m.exec(stdout)?.[1] ?? []);
  assert.deepEqual(new Set(told), new Set([service.state().url]));
  assert.equal(supervisors(service.home).length, 1);
  const { pid } = service.state();
  await service.ok(['up']);
  assert.equal(service.state().pid, pid);
});

test('a flintlock beside the one that runs refuses to take over its machines', async () => {
  await using service = await makeService();
  // Without templates, whose machines come and go by themselves.
  await service.ok(['up'], { env: { TVM_TEMPLATES: 'off' } });
  await service.untilWaits('tvm/python');
  const machines = service.vmms();
  const flintlock = join(readConfig().root, 'flintlock/main.ts');
  const env = { TVM_FLINTLOCK_LISTEN: `unix:${service.home}/run/other.sock` };
  const second = await service.program(process.execPath, [flintlock], { env, timeoutMs: 40_000 }).finished;
  assert.equal(second.code, 1, second.stderr);
  assert.match(second.stderr, /another flintlock has the machines/);
  assert.deepEqual(service.vmms(), machines);
  assert.equal(await service.ok(['execute', 'print(1)']), '1\n');
});

test('a port that is taken is named, with who has it; nothing runs afterwards', async () => {
  const holder = createServer();
  holder.listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const address = holder.address();
  const port = typeof address === 'object' && address?.port;
  await using service = await makeService();
  const { code, stderr } = await service.vvm(['up'], { env: { TVM_LIME_LISTEN: `127.0.0.1:${port}` } });
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`port ${port} .*is taken by .*process ${process.pid}`));
  assert.match(stderr, /TVM_LIME_LISTEN=/);
  await until('the supervisor has ended', () => processesOf(service.home).length === 0, 15_000);
  const run = await service.vvm(['execute', '1'], { env: { TVM_LIME_LISTEN: `127.0.0.1:${port}` } });
  assert.equal(run.code, 125);
  await service.ok(['up']);
  holder.close();
});

test('settings that mean nothing are told by name', async () => {
  await using service = await makeService();
  for (const [name, value, words] of [
    ['TVM_LIME_LISTEN', 'nonsense', /nonsense/],
    ['TVM_APISERVER_LISTEN', '127.0.0.1:99999', /127\.0\.0\.1:99999/],
    ['TVM_KERNEL', '/nowhere/vmlinux', /\/nowhere\/vmlinux/],
    ['TVM_ACCELERATOR', 'magic', /flintlock does not start: TVM_ACCELERATOR: .*kvm/],
  ] as const) {
    const { code, stderr } = await service.vvm(['execute', '1'], { env: { [name]: value } });
    assert.equal(code, 125, `${name}=${value}\n${stderr}`);
    assert.match(stderr, words, name);
    await service.ok(['down']);
  }
});

test('a service file that is no such file is not believed', async () => {
  await using service = await makeService();
  await mkdir(service.home, { mode: 0o700 });
  for (const text of ['', '{', '[]', '{"pid": 1}', JSON.stringify({ pid: process.pid, startTime: '1' })]) {
    await writeFile(join(service.home, 'service.json'), text);
    assert.equal((await service.vvm(['status'])).code, 1);
  }
  await service.ok(['up']);
  await chmod(join(service.home, 'service.json'), 0o600);
  assert.match(await service.ok(['status']), /running/);
});
