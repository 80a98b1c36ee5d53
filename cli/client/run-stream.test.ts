// The stream client against a server that follows the contract, and one that does not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { type RunStreamDeps, runStream } from './run-stream.ts';
import { openStream } from './stream-connection.ts';
import { type Peer, startStreamServer, type TestServer } from './testing/stream-server.ts';

const chunk = Buffer.alloc(64 * 1024, 'x');
const chunks200MB = 3200;

function depsOf(server: TestServer, change: Partial<RunStreamDeps> = {}) {
  const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  const progress: string[] = [];
  const deps: RunStreamDeps = {
    open: (attach) => openStream(server.endpoint, '/v1/execute', attach ?? { code: '1' }),
    canAttach: false,
    output: {
      stdout: async (bytes) => void output.stdout.push(Buffer.from(bytes)),
      stderr: async (bytes) => void output.stderr.push(Buffer.from(bytes)),
    },
    onProgress: (message) => void progress.push(message),
    sleep: async () => undefined,
    ...change,
  };
  const text = (name: 'stdout' | 'stderr') => Buffer.concat(output[name]).toString();
  return { deps, text, progress };
}

async function* input(...texts: string[]) {
  for (const text of texts) yield Buffer.from(text);
}

test('output stays apart and in order, progress is heard, the exit code comes back', async () => {
  await using server = await startStreamServer(async (peer) => {
    assert.deepEqual(peer.first, { code: '1' });
    peer.control({ type: 'progress', message: 'booting' });
    peer.started();
    await peer.output('stdout', 'a');
    await peer.output('stderr', 'b');
    await peer.output('stdout', Buffer.of(0, 255));
    peer.exited(7);
  });
  const { deps, text, progress } = depsOf(server);
  const exited = await runStream(deps).result;
  assert.equal(exited.exitCode, 7);
  assert.equal(text('stderr'), 'b');
  assert.equal(text('stdout'), Buffer.from([97, 0, 255]).toString());
  assert.deepEqual(progress, ['booting']);
});

async function echo(peer: Peer): Promise<void> {
  peer.started();
  for await (const message of peer.incoming()) {
    if ('stdin' in message) await peer.output('stdout', message.stdin);
    else if (message.type === 'closeStdin') return peer.exited(0);
  }
}

test('input arrives, then its end; no input is its end at once', async () => {
  await using server = await startStreamServer(echo);
  const some = depsOf(server, { input: { chunks: input('one ', 'two'), lossy: false } });
  await runStream(some.deps).result;
  assert.equal(some.text('stdout'), 'one two');
  const none = depsOf(server);
  assert.equal((await runStream(none.deps).result).exitCode, 0);
});

test('200 MB out: a slow reader stops the server, memory stays bounded', async () => {
  let sentAhead = 0;
  let taken = 0;
  await using server = await startStreamServer(async (peer) => {
    peer.started();
    for (let i = 0; i < chunks200MB; i += 1) {
      await peer.output('stdout', chunk);
      sentAhead = Math.max(sentAhead, (i + 1) * chunk.length - taken);
    }
    peer.exited(0);
  });
  const { deps } = depsOf(server);
  deps.output.stdout = async (bytes) => {
    taken += bytes.length;
    if (taken % (8 * chunk.length) === 0) await new Promise((resolve) => setImmediate(resolve));
    // A pause long enough for a server without back-pressure to send everything.
    if (taken === 20 * chunk.length) await new Promise((resolve) => setTimeout(resolve, 500));
  };
  await runStream(deps).result;
  assert.equal(taken, chunks200MB * chunk.length);
  assert.ok(sentAhead < 24 * 1024 * 1024, `${sentAhead} bytes were under way`);
});

test('200 MB in: a slow server stops the reader of standard input', async () => {
  let made = 0;
  let taken = 0;
  let ahead = 0;
  async function* source() {
    for (let i = 0; i < chunks200MB; i += 1) {
      made += chunk.length;
      ahead = Math.max(ahead, made - taken);
      yield chunk;
    }
  }
  await using server = await startStreamServer(async (peer) => {
    peer.started();
    for await (const message of peer.incoming()) {
      if ('stdin' in message) taken += message.stdin.length;
      else if (message.type === 'closeStdin') peer.exited(0);
      if (taken === 20 * chunk.length) await new Promise((resolve) => setTimeout(resolve, 500));
    }
  });
  await runStream(depsOf(server, { input: { chunks: source(), lossy: false } }).deps).result;
  assert.equal(taken, chunks200MB * chunk.length);
  assert.ok(ahead < 24 * 1024 * 1024, `${ahead} bytes were under way`);
});

test('a lost exec is attached again at the offsets, nothing twice, nothing missing', async () => {
  const whole = 'abcdefghij';
  const firsts: unknown[] = [];
  await using server = await startStreamServer(async (peer) => {
    firsts.push(peer.first);
    const from = Number(peer.first.stdoutOffset ?? 0);
    peer.started({ stdoutOffset: from });
    await peer.output('stdout', whole.slice(from, from + 4));
    if (from + 4 < whole.length) return void setTimeout(peer.cut, 50);
    peer.exited(3);
  });
  const { deps, text } = depsOf(server, { canAttach: true });
  assert.equal((await runStream(deps).result).exitCode, 3);
  assert.equal(text('stdout'), whole);
  assert.deepEqual(firsts.slice(1), [
    { attach: 'e1', stdoutOffset: 4, stderrOffset: 0 },
    { attach: 'e1', stdoutOffset: 8, stderrOffset: 0 },
  ]);
});

test('a lost execute is an error; so is input that may be lost', async () => {
  await using server = await startStreamServer(async (peer) => {
    peer.started();
    setTimeout(peer.cut, 50);
  });
  await assert.rejects(runStream(depsOf(server).deps).result, /connection to the server was lost/);
  const withInput = depsOf(server, { canAttach: true, input: { chunks: input('x'), lossy: false } });
  await assert.rejects(runStream(withInput.deps).result, { code: 'data_loss' });
});

test('the end of the server is noticed after bounded attempts', async () => {
  let conversations = 0;
  const server = await startStreamServer(async (peer) => {
    conversations += 1;
    peer.started();
    setTimeout(() => void server[Symbol.asyncDispose](), 20);
  });
  const { deps } = depsOf(server, { canAttach: true });
  await assert.rejects(runStream(deps).result, { code: 'unavailable' });
  assert.equal(conversations, 1);
});

test('what is not in the contract is an error, not a crash', async () => {
  const bad: ((peer: Peer) => void)[] = [
    (peer) => peer.socket.send('not json'),
    (peer) => peer.control({ type: 'unheard of' }),
    (peer) => peer.socket.send(Buffer.of(9, 1)),
    (peer) => peer.socket.send(Buffer.alloc(0)),
    (peer) => peer.socket.send(Buffer.alloc(2_000_000)),
    (peer) => peer.socket.close(1000),
  ];
  for (const send of bad) {
    await using server = await startStreamServer(async (peer) => send(peer));
    await assert.rejects(runStream(depsOf(server).deps).result, TvmError, String(send));
  }
});

test('an error of the server keeps its code and hint; a refused connection has one', async () => {
  const problem = { type: 't', title: 't', status: 404, detail: 'no such image', code: 'not_found', hint: 'look' };
  await using server = await startStreamServer(async (peer) => peer.control({ type: 'error', problem }));
  await assert.rejects(runStream(depsOf(server).deps).result, {
    code: 'not_found',
    message: 'no such image',
    hint: 'look',
  });
  const wrong = { url: 'http://127.0.0.1:1', token: 'x' };
  await assert.rejects(openStream(wrong, '/v1/execute', {}), { code: 'unavailable' });
});

test('leaving ends the connection and rejects with the reason', async () => {
  const gone = Promise.withResolvers<unknown>();
  await using server = await startStreamServer(async (peer) => {
    peer.started();
    gone.resolve(await peer.closed);
  });
  const started = Promise.withResolvers<void>();
  const running = runStream(depsOf(server, { onStarted: () => started.resolve() }).deps);
  assert.equal(running.control({ type: 'signal', signal: 'SIGINT' }), false);
  await started.promise;
  assert.equal(running.control({ type: 'signal', signal: 'SIGINT' }), true);
  running.abandon(new TvmError('canceled', 'left'));
  await assert.rejects(running.result, /left/);
  await gone.promise;
});
