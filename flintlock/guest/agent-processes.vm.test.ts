// The real agent's processes over the real protocol, without a VM.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import type { GuestConnection } from './connection.ts';
import { ping } from './machine.ts';
import type { OutputBody } from './output-queue.ts';
import {
  attachProcess,
  listProcesses,
  type ProcessToStart,
  runProcess,
  signalProcess,
  startProcess,
} from './processes.ts';
import type { GuestStream } from './stream.ts';
import { startAgent } from './testing/real-agent.ts';

const agent = await startAgent();
const connection = await agent.connect();
after(async () => {
  connection.close();
  await agent[Symbol.asyncDispose]();
});

const shell = (script: string, more: ProcessToStart = {}): ProcessToStart => ({ argv: ['sh', '-c', script], ...more });
const run = (script: string, more: ProcessToStart = {}, stdin?: string) =>
  runProcess(connection, shell(script, more), {
    maxOutputBytes: 64 * 1024 * 1024,
    ...(stdin === undefined ? {} : { stdin: Buffer.from(stdin) }),
  });

async function waitFor(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}

function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

async function next<Kind extends OutputBody['case']>(answers: AsyncIterator<OutputBody>, kind: Kind) {
  const { value, done } = await answers.next();
  assert.ok(!done && value.case === kind, `expected ${kind}, got ${done ? 'the end' : value.case}`);
  return value.value as unknown as Extract<OutputBody, { case: Kind }>['value'];
}

test('output apart, exit code, input to its end', async () => {
  const finished = await run('cat; echo problem >&2; exit 7', {}, 'hello');
  assert.equal(finished.stdout.toString(), 'hello');
  assert.equal(finished.stderr.toString(), 'problem\n');
  assert.equal(finished.exited.code, 7);
});

test('environment, folder, files that come along', async () => {
  const script = `${agent.folder}/a/b.sh`;
  const content = Buffer.from('#!/bin/sh\necho "$GREETING $PWD $LANG"');
  const finished = await runProcess(
    connection,
    { argv: [script], env: { GREETING: 'hi' }, cwd: '/usr', files: [{ path: script, content, mode: 0o755 }] },
    { maxOutputBytes: 1000 },
  );
  assert.equal(finished.stdout.toString(), 'hi /usr C.UTF-8\n');
});

test('argv[0] is looked up in PATH of env', async () => {
  await assert.rejects(runProcess(connection, { argv: ['cat'], env: { PATH: '/nowhere' } }, { maxOutputBytes: 0 }), {
    code: 'not_found',
    reason: 'ProgramNotStarted',
  });
});

const refused: [string, ProcessToStart, string][] = [
  ['an unknown program', { argv: ['no-such-program'] }, 'not_found'],
  ['an empty argv', { argv: [] }, 'invalid_argument'],
  ['an empty program', { argv: [''] }, 'invalid_argument'],
  ['a NUL byte', { argv: ['a\0b'] }, 'invalid_argument'],
  ['an unknown user', { argv: ['true'], user: 'nobody-such' }, 'not_found'],
  ['a missing folder', { argv: ['true'], cwd: '/no/such' }, 'not_found'],
  ['a program that is a folder', { argv: ['/usr'] }, 'permission_denied'],
  ['a bad id', { argv: ['true'], id: '../x' }, 'invalid_argument'],
  ['a relative file', { argv: ['true'], files: [{ path: 'x' }] }, 'invalid_argument'],
];

for (const [name, process, code] of refused) {
  test(`${name} is refused with ${code}`, async () => {
    await assert.rejects(runProcess(connection, process, { maxOutputBytes: 0 }), { code });
  });
}

test('a signal ends the group and is told', async () => {
  const stream = startProcess(connection, shell('sleep 1000 & sleep 1000'));
  const answers = stream[Symbol.asyncIterator]();
  await next(answers, 'started');
  await stream.send({ case: 'signal', value: 'SIGTERM' });
  const exited = await next(answers, 'exited');
  assert.deepEqual([exited.code, exited.signal, exited.timedOut], [143, 'SIGTERM', false]);
});

test('an unknown signal is refused and the process ended', async () => {
  const stream = startProcess(connection, { argv: ['sleep', '1000'] });
  const answers = stream[Symbol.asyncIterator]();
  const { pid } = await next(answers, 'started');
  await stream.send({ case: 'signal', value: 'SIGNONE' });
  await assert.rejects(answers.next(), { code: 'invalid_argument' });
  await waitFor(() => !isAlive(pid));
});

test('time is limited', async () => {
  const { exited } = await run('sleep 1000', { timeoutMs: 50 });
  assert.deepEqual([exited.code, exited.signal, exited.timedOut], [137, 'SIGKILL', true]);
});

test('a canceled process is killed with its group', async () => {
  const stream = startProcess(connection, shell('sleep 1000 & echo $!; wait'));
  const answers = stream[Symbol.asyncIterator]();
  const { pid } = await next(answers, 'started');
  const child = Number(Buffer.from(await next(answers, 'stdout')).toString());
  assert.ok(isAlive(child));
  stream.cancel();
  await waitFor(() => !isAlive(pid) && !isAlive(child));
});

test('all output comes before the end; one left in the background does not delay it', async () => {
  const large = await run('head -c 3000000 /dev/zero');
  assert.equal(large.stdout.length, 3_000_000);
  const finished = await run('sleep 1000 & echo $!');
  const child = Number(finished.stdout.toString());
  assert.equal(finished.exited.code, 0);
  process.kill(child, 'SIGKILL');
});

test('a process that prints without end waits for whoever reads, in bounded memory', async () => {
  const stream = startProcess(connection, { argv: ['yes'] });
  const answers = stream[Symbol.asyncIterator]();
  const { pid } = await next(answers, 'started');
  const written = () => Number(/wchar: (\d+)/.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]);
  let before = -1;
  await waitFor(async () => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const now = written();
    const stands = now === before;
    before = now;
    return stands;
  });
  // Its pipe, what passes through the agent, the window, and what one write takes.
  assert.ok(written() < 1024 * 1024, `${written()} bytes`);
  const memory = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${agent.pid}/status`, 'utf8'))?.[1]);
  assert.ok(memory < 16 * 1024, `${memory} KiB`);
  stream.cancel();
  await waitFor(() => !isAlive(pid));
});

test('much input to a process that reads none, or ends early', async () => {
  const early = await runProcess(
    connection,
    { argv: ['true'] },
    { stdin: Buffer.alloc(3_000_000), maxOutputBytes: 10 },
  );
  assert.equal(early.exited.code, 0);
  const through = await runProcess(
    connection,
    { argv: ['wc', '-c'] },
    { stdin: Buffer.alloc(3_000_000), maxOutputBytes: 99 },
  );
  assert.equal(through.stdout.toString().trim(), '3000000');
});

test('a terminal: one output, size, resize, control keys, end of input', async () => {
  const script = 'tty; stty size; echo $TERM; read line; trap "echo INT" INT; stty size; read line; cat; test -t 2';
  const stream = startProcess(connection, shell(script, { terminal: { rows: 30, columns: 100 } }));
  const answers = stream[Symbol.asyncIterator]();
  await next(answers, 'started');
  let text = '';
  const until = async (expected: RegExp) => {
    while (!expected.test(text)) text += Buffer.from(await next(answers, 'stdout')).toString();
  };
  await until(/\/dev\/pts\/\d+\r\n30 100\r\nxterm-256color\r\n/);
  await stream.send({ case: 'resize', value: { rows: 40, columns: 120 } });
  await stream.send({ case: 'stdin', value: Buffer.from('go\n') });
  await until(/40 120/);
  await stream.send({ case: 'stdin', value: Buffer.from('\x03') });
  await until(/INT/);
  await stream.send({ case: 'stdin', value: Buffer.from('\n') });
  await stream.send({ case: 'end', value: true });
  let last = await answers.next();
  while (!last.done && last.value.case === 'stdout') last = await answers.next();
  assert.ok(!last.done && last.value.case === 'exited');
  assert.equal(last.value.value.code, 0);
});

test('resize without a terminal is refused', async () => {
  const stream = startProcess(connection, { argv: ['sleep', '1000'] });
  await stream.send({ case: 'resize', value: { rows: 1, columns: 1 } });
  await assert.rejects(Array.fromAsync(stream), { code: 'invalid_argument' });
});

async function collect(stream: GuestStream): Promise<{ text: string; from: bigint; code: number | undefined }> {
  let text = '';
  let from = 0n;
  let code: number | undefined;
  for await (const body of stream) {
    if (body.case === 'started') from = body.value.stdoutOffset;
    if (body.case === 'stdout') text += Buffer.from(body.value).toString();
    if (body.case === 'exited') code = body.value.code;
  }
  return { text, from, code };
}

test('a kept process outlives its stream and the connection, and is attached to again', async () => {
  const own = await agent.connect();
  const id = 'kept';
  const stream = startProcess(own, shell('echo one; read x; echo two; exit 5', { keep: true, stdin: true, id }));
  const answers = stream[Symbol.asyncIterator]();
  await next(answers, 'started');
  assert.equal(Buffer.from(await next(answers, 'stdout')).toString(), 'one\n');
  await assert.rejects(runProcess(own, { argv: ['true'], id }, { maxOutputBytes: 0 }), { code: 'already_exists' });
  own.close();
  await own.closed;
  const later = await agent.connect();
  assert.deepEqual(
    (await listProcesses(later)).map((listed) => [listed.id, listed.kept]),
    [[id, true]],
  );
  const again = attachProcess(later, { id, stdoutOffset: 4n });
  await again.send({ case: 'stdin', value: Buffer.from('x\n') });
  assert.deepEqual(await collect(again), { text: 'two\n', from: 4n, code: 5 });
  assert.deepEqual(await collect(attachProcess(later, { id })), { text: 'one\ntwo\n', from: 0n, code: 5 });
  assert.equal((await listProcesses(later))[0]?.exited?.code, 5);
  await assert.rejects(signalProcess(later, id, 'SIGTERM'), { code: 'failed_precondition' });
  await assert.rejects(collect(attachProcess(later, { id: 'other' })), { code: 'not_found' });
  later.close();
});

test('what a kept process prints while nobody follows: the last 256 KiB are held', async () => {
  const own = await agent.connect();
  const stream = startProcess(own, shell('seq 1 100000; sleep 1000', { keep: true, id: 'loud' }));
  await stream[Symbol.asyncIterator]().next();
  own.close();
  const later = await agent.connect();
  const seen = async () => {
    const answers = attachProcess(later, { id: 'loud' })[Symbol.asyncIterator]();
    const started = await next(answers, 'started');
    let text = '';
    while (!text.endsWith('100000\n')) text += Buffer.from(await next(answers, 'stdout')).toString();
    await answers.return?.();
    return { from: Number(started.stdoutOffset), length: text.length };
  };
  const total = 588_895;
  const { from, length } = await seen();
  assert.equal(from + length, total);
  const second = await seen();
  assert.deepEqual(second, { from: total - 256 * 1024, length: 256 * 1024 });
  await signalProcess(later, 'loud', 'SIGKILL');
  later.close();
});

test('a lost client leaves no process behind, and the next one is served', async () => {
  const own = await agent.connect();
  const pids: number[] = [];
  for (let index = 0; index < 10; index++) {
    const answers = startProcess(own, { argv: ['yes'] })[Symbol.asyncIterator]();
    pids.push((await next(answers, 'started')).pid);
  }
  own.close();
  await waitFor(() => !pids.some(isAlive));
  const later = await agent.connect();
  await ping(later);
  assert.deepEqual(
    (await listProcesses(later)).filter((listed) => !listed.kept),
    [],
  );
  later.close();
});

test('streams are limited: the 257th is refused, and the rest go on', async () => {
  const own: GuestConnection = await agent.connect();
  const watches = Array.from({ length: 256 }, () =>
    own.call({ case: 'startProcess', value: { argv: ['sleep', '1000'] } }),
  );
  const iterators = watches.map((watch) => watch[Symbol.asyncIterator]());
  for (const iterator of iterators) await next(iterator, 'started');
  const beyond = Array.from({ length: 1000 }, () => ping(own));
  for (const call of beyond) await assert.rejects(call, { code: 'resource_exhausted' });
  watches[0]?.cancel();
  await ping(own);
  own.close();
});
