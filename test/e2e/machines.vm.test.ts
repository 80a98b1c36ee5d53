// Machines that stay, by the command: made, used, copied to and from, paused, stopped, started, deleted.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, mkdtemp, readFile, readlink, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import { vmmOfBoot } from './host-facts.ts';
import { echoOf, startPortServers } from './ports.ts';
import { type Service, startService } from './service.ts';
import { until } from './until.ts';

let service: Service;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tvm-copy-'));
  service = await startService();
  await service.ok(['create', 'demo', '--env', 'MODE=fast', '--memory', '192']);
});
after(async () => {
  await rm(folder, { recursive: true });
  await service?.[Symbol.asyncDispose]();
});

const inDemo = (...command: string[]) => service.ok(['exec', 'demo', '--', ...command]);
const bootIdOf = (name: string) => service.ok(['exec', name, '--', 'cat', '/proc/sys/kernel/random/boot_id']);
const read = async (name: string): Promise<MicroVm> => JSON.parse(await service.ok(['get', name, '-o', 'json']));

test('a machine keeps what programs leave in it, and has its name', async () => {
  await inDemo('sh', '-c', 'echo kept > /root/file');
  assert.equal(await inDemo('cat', '/root/file'), 'kept\n');
  assert.equal(await inDemo('hostname'), 'demo\n');
  assert.equal(await inDemo('sh', '-c', 'echo $MODE'), 'fast\n');
  assert.match(await service.ok(['list']), /demo\s.*Running/);
  assert.equal((await service.ok(['list', '-o', 'name'])).trim(), 'demo');
});

test('exec: input, exit code, user, folder, variables, time', async () => {
  const input = randomBytes(1024 * 1024);
  assert.ok((await service.vvm(['exec', '-i', 'demo', '--', 'cat'], { stdin: input })).bytes.equals(input));
  assert.equal((await service.vvm(['exec', 'demo', '--', 'sh', '-c', 'exit 9'])).code, 9);
  const options = ['-u', 'nobody', '-w', '/tmp', '-e', 'X=1 2'];
  const printed = await service.ok(['exec', ...options, 'demo', '--', 'sh', '-c', 'id -un; pwd; echo "$X"']);
  assert.equal(printed, 'nobody\n/tmp\n1 2\n');
  assert.equal((await service.vvm(['exec', '--timeout', '1', 'demo', '--', 'sleep', '100'])).code, 124);
  await until('the program is gone', async () => !(await inDemo('ps', '-e', '-o', 'args')).includes('sleep 100'));
});

test('exec of what is not there says so', async () => {
  const program = await service.vvm(['exec', 'demo', '--', 'nosuchprogram'], { timeoutMs: 30_000 });
  assert.match(program.stderr, /nosuchprogram/);
  assert.equal(program.code, 127);
  assert.equal((await service.vvm(['exec', 'demo', '--', '/etc/passwd'])).code, 126);
  const machine = await service.vvm(['exec', 'absent', '--', 'true']);
  assert.equal(machine.code, 125);
  assert.match(machine.stderr, /absent/);
});

test('exec -t gives a terminal: its size, what is typed, Ctrl-C, the exit code', async () => {
  const shell = `stty rows 31 cols 101; ${service.commandLine} exec -it demo -- bash`;
  await using terminal = service.program('script', ['-qec', shell, '/dev/null'], { stdin: 'open' });
  const type = (text: string) => terminal.child.stdin?.write(text);
  const shows = (pattern: RegExp) => until(`${pattern} in ${terminal.stdout()}`, () => pattern.test(terminal.stdout()));
  await shows(/[#$] $/);
  type('stty size; tty; echo "read"y\r');
  await shows(/31 101\r+\n\/dev\/pts\/\d+\r+\nready/);
  type('sleep 1000\r');
  await shows(/sleep 1000\r+\n/);
  type('\x03');
  await shows(/\^C/);
  type('echo "aft"er $?\r');
  await shows(/after 130/);
  type('exit 42\r');
  assert.equal((await terminal.finished).code, 42);
});

test('cp keeps bytes, modes, times, folders and links, under any name, in both directions', async () => {
  const source = join(folder, 'tree');
  const names = ['plain', 'with space', 'new\nline', 'ünï🎰', '-dash', '.hidden', 'quo\'te"s'];
  await mkdir(join(source, 'deep/er'), { recursive: true });
  for (const name of names) await writeFile(join(source, 'deep', name), randomBytes(1000));
  await writeFile(join(source, 'large'), randomBytes(9 * 1024 * 1024));
  await writeFile(join(source, 'empty'), '');
  await chmod(join(source, 'large'), 0o640);
  await chmod(join(source, 'deep/er'), 0o700);
  await writeFile(join(source, 'script'), '#!/bin/sh\necho ran\n', { mode: 0o755 });
  await utimes(join(source, 'large'), 1_500_000_000, 1_500_000_000);
  await service.ok(['cp', source, 'demo:/root/tree']);
  assert.equal(await inDemo('/root/tree/script'), 'ran\n');
  assert.equal(await inDemo('stat', '-c', '%a %Y %s', '/root/tree/large'), `640 1500000000 ${9 * 1024 * 1024}\n`);
  await inDemo('ln', '-s', 'deep/plain', '/root/tree/link');
  const back = join(folder, 'back');
  await service.ok(['cp', 'demo:/root/tree', back]);
  assert.equal(await readlink(join(back, 'link')), 'deep/plain');
  await symlink('deep/plain', join(source, 'link'));
  execFileSync('diff', ['-r', '--no-dereference', source, back]);
  for (const name of ['large', 'script', 'deep/er', 'empty']) {
    const [before, after] = [await lstat(join(source, name)), await lstat(join(back, name))];
    assert.deepEqual([after.mode, after.size], [before.mode, before.size], name);
  }
  assert.equal((await lstat(join(back, 'large'))).mtimeMs, 1_500_000_000_000);
});

test('cp refuses what would leave the target, and says what is not there', async () => {
  await inDemo('sh', '-c', 'mkdir -p /root/evil && cd /root/evil && ln -sf ../../../etc/passwd out && touch fine');
  const target = join(folder, 'evil');
  const { code, stderr } = await service.vvm(['cp', 'demo:/root/evil', target]);
  assert.equal(code, 1);
  assert.match(stderr, /not copied: .*out/);
  await assert.rejects(lstat(join(target, 'out')));
  await readFile(join(target, 'fine'));
  const absent = await service.vvm(['cp', 'demo:/root/absent', folder]);
  assert.equal(absent.code, 1);
  assert.match(absent.stderr, /\/root\/absent/);
});

test('a port of the machine, over REST, by a URL and forwarded here: files, WebSockets, many at once, bytes exact', async () => {
  const large = randomBytes(20_000_000);
  await startPortServers(service, 'demo', large);
  const port = (number: number, path = '/') => `/v1/microvms/demo/ports/${number}${path}`;
  const got = await (await service.rest(port(8000, '/large'))).arrayBuffer();
  assert.ok(large.equals(Buffer.from(got)));
  const bearer = { authorization: `Bearer ${service.token()}` };
  assert.equal(await echoOf(`${service.state().url}${port(8001)}`, 'hello', bearer), 'hello');

  const url = (await service.ok(['port', 'demo', '8000', '--url', '--ttl', '5m'])).trim();
  const listings = Array.from({ length: 50 }, async () => (await fetch(url)).text());
  assert.ok((await Promise.all(listings)).every((text) => text.includes('href="large"')));
  const moved = await fetch(`${url}dir`);
  assert.deepEqual([moved.status, moved.url], [200, `${url}dir/`]);
  const sockets = (await service.ok(['port', 'demo', '8001', '--url'])).trim();
  assert.equal(await echoOf(sockets, 'by URL'), 'by URL');
  assert.equal((await fetch(url.replace(/.{3}\/$/, 'xyz/'))).status, 404);
  assert.equal((await service.rest(port(8000), { token: undefined })).status, 401);

  await using forward = service.start(['port', 'demo', '8000', '--listen', '0', '--json']);
  await until('it listens', () => forward.stdout().includes('\n'));
  const { listen } = JSON.parse(forward.stdout());
  const pages = await Promise.all([1, 2, 3].map(async () => (await fetch(`http://${listen}/`)).text()));
  assert.ok(pages.every((text) => text.includes('href="large"')));
  forward.child.kill('SIGINT');
  assert.equal((await forward.finished).code, 0);

  const { stdout } = await service.program('grep', ['-rlF', new URL(url).pathname, service.home]).finished;
  assert.equal(stdout, '', 'a URL of a port is in no log');
});

test('a port where nothing listens, a server without an end, and one whose reader is slow', async () => {
  const port = (number: number) => service.rest(`/v1/microvms/demo/ports/${number}/`);
  const closed = await port(9);
  assert.equal(closed.status, 412);
  assert.match(await closed.text(), /nothing listens on port 9 .*127\.0\.0\.1 or 0\.0\.0\.0/);
  const headers = await port(8002);
  assert.deepEqual([headers.status, /BadGuestAnswer/.test(await headers.text())], [503, true]);
  const endless = await port(8003);
  const sent = async () => Number(await inDemo('sh', '-c', 'cat /root/sent || true'));
  let before = -1;
  await until('the server waits for its reader', async () => {
    const now = await sent();
    const waits = now > 0 && now === before;
    before = now;
    return waits;
  });
  assert.ok(before < 16 * 1024 * 1024, `${before}`);
  await endless.body?.cancel();
  const stopped = "import socket; s = socket.create_connection(('127.0.0.1', 8000)); print('ok')";
  assert.equal(await inDemo('python3', '-c', stopped), 'ok\n');
});

test('pause halts a machine with its memory, resume goes on', async () => {
  const bootId = await bootIdOf('demo');
  await service.ok(['pause', 'demo']);
  assert.equal((await read('demo')).status?.phase, 'Paused');
  const { code, stderr } = await service.vvm(['exec', 'demo', '--', 'true']);
  assert.equal(code, 125);
  assert.match(stderr, /paused/i);
  await service.ok(['resume', 'demo']);
  assert.equal(await bootIdOf('demo'), bootId);
});

test('stop ends the VMM and keeps the declaration; start boots it anew', async () => {
  const bootId = await bootIdOf('demo');
  await service.ok(['stop', 'demo']);
  assert.equal((await read('demo')).status?.phase, 'Stopped');
  await until('the VMM is gone', () => vmmOfBoot(service.home, bootId.trim()) === undefined);
  assert.notEqual((await service.vvm(['exec', 'demo', '--', 'true'])).code, 0);
  await service.ok(['start', 'demo']);
  assert.notEqual(await bootIdOf('demo'), bootId);
});

test('a machine with a command ends with it, its output is kept, logs -f ends too', async () => {
  const script = 'echo begin; sleep 2; echo to-stderr >&2; echo end; exit 7';
  await service.ok(['create', 'job', '--no-wait', '--', 'sh', '-c', script]);
  await until('the job has begun', async () => (await read('job')).status?.phase !== 'Pending');
  const logs = await service.ok(['logs', '-f', 'job']);
  for (const line of ['begin', 'to-stderr', 'end']) assert.match(logs, new RegExp(`^${line}\\r?$`, 'm'));
  const { status } = await until('it is stopped', async () => {
    const job = await read('job');
    return job.status?.phase === 'Stopped' && job;
  });
  assert.equal(status?.exitCode, 7);
  assert.equal(status?.reason, 'CommandExited');
  assert.match(await service.ok(['logs', 'job']), /^end\r?$/m);
  await service.ok(['delete', 'job']);
});

test('delete waits until the machine is gone; a name can be used again', async () => {
  const bootId = await bootIdOf('demo');
  await service.ok(['delete', 'demo']);
  await service.untilGone(bootId.trim());
  assert.equal((await service.vvm(['get', 'demo'])).code, 1);
  assert.equal((await service.vvm(['delete', 'demo'])).code, 1);
  await service.ok(['create', 'demo']);
  assert.notEqual(await bootIdOf('demo'), bootId);
  await service.ok(['delete', 'demo']);
});
