// The command as a process against a server that follows the contract: exit codes, streams, signals, pipes, terminals.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Peer, startStreamServer, testToken } from './client/testing/stream-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'tvm-command-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const main = join(import.meta.dirname, 'main.ts');

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

function start(url: string, argv: string[], program = process.execPath, before: string[] = [main]) {
  const env = {
    ...process.env,
    TVM_SERVER: url,
    TVM_TOKEN: testToken,
    TVM_HOME: folder,
    TVM_CACHE_DIR: folder,
    TERM: 'xterm',
  };
  const child = spawn(program, [...before, ...argv], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]).then(
    ([stdout, stderr, [code]]): Ended => ({ code, stdout, stderr }),
  );
  child.stdin.on('error', () => undefined);
  return { child, ended };
}

async function text(stream: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}

async function vvm(converse: (peer: Peer) => Promise<void>, argv: string[], input = ''): Promise<Ended> {
  await using server = await startStreamServer(converse);
  const { child, ended } = start(server.endpoint.url, argv);
  child.stdin.end(input);
  return await ended;
}

async function cat(peer: Peer): Promise<void> {
  peer.started();
  for await (const message of peer.incoming()) {
    if ('stdin' in message) await peer.output('stdout', message.stdin);
    else if (message.type === 'closeStdin') return peer.exited(5);
  }
}

test('execute: the guest decides on stdout and the exit code; progress goes to stderr', async () => {
  const result = await vvm(
    async (peer) => {
      peer.control({ type: 'progress', message: 'tvm/python: making' });
      await cat(peer);
    },
    ['execute', '1'],
    'hello',
  );
  assert.deepEqual(result, { code: 5, stdout: 'hello', stderr: 'vvm: tvm/python: making\n' });
});

test('execute: what was typed becomes the request', async () => {
  writeFileSync(join(folder, 'x.mjs'), 'code');
  let first: unknown;
  const options = ['--cpu', '2', '--memory', '1G', '--timeout', '2m', '-e', 'A=b=c', '--env', 'TERM'];
  await vvm(
    async (peer) => {
      first = peer.first;
      peer.started();
      peer.exited(0);
    },
    ['execute', '-f', join(folder, 'x.mjs'), ...options, '--', '-x', 'y'],
  );
  const expected = { code: 'code', language: 'node', args: ['-x', 'y'], cpu: 2, memory: 1024, timeoutSeconds: 120 };
  assert.deepEqual(first, { ...expected, env: { A: 'b=c', TERM: 'xterm' } });
});

test('execute -: the code is standard input, and the program gets none', async () => {
  let first: unknown;
  const result = await vvm(
    async (peer) => {
      first = peer.first.code;
      await cat(peer);
    },
    ['execute', '-'],
    'print(1)',
  );
  assert.equal(first, 'print(1)');
  assert.equal(result.code, 5);
});

test('execute: 124 when the time was up, 125 when the product failed, 2 for wrong usage', async () => {
  const late = await vvm(
    async (peer) => {
      peer.started();
      peer.exited(137, true);
    },
    ['execute', '1'],
  );
  assert.equal(late.code, 124);
  assert.match(late.stderr, /time was up after 60 s/);
  const problem = { type: 't', title: 't', status: 404, detail: 'no image x', code: 'not_found', hint: 'do this' };
  const failed = await vvm(async (peer) => peer.control({ type: 'error', problem }), ['execute', '1']);
  assert.deepEqual(failed, { code: 125, stdout: '', stderr: 'vvm: no image x\n  do this\n' });
  const usage = await vvm(async () => undefined, ['execute', '--language', 'cobol', '1']);
  assert.equal(usage.code, 2);
  const unreachable = await start('http://127.0.0.1:1', ['execute', '1']).ended;
  assert.equal(unreachable.code, 125);
  assert.match(unreachable.stderr, /cannot reach the server at http:\/\/127.0.0.1:1: .*ECONNREFUSED/);
});

test('execute --json: a failure is an object with its code, and words on standard error', async () => {
  const problem = { type: 't', title: 't', status: 404, detail: 'no image x', code: 'not_found', reason: 'NoSuch' };
  const failed = await vvm(async (peer) => peer.control({ type: 'error', problem }), ['execute', '--json', '1']);
  const { error } = JSON.parse(failed.stdout);
  assert.deepEqual([failed.code, error.code, error.detail, error.reason], [125, 'not_found', 'no image x', 'NoSuch']);
  assert.equal(failed.stderr, 'vvm: no image x\n');
});

test('exec: 127 when the guest has no such program, 126 when it cannot be run, 125 when nothing was tried', async () => {
  for (const [code, reason, exitCode] of [
    ['not_found', 'ProgramNotStarted', 127],
    ['permission_denied', 'ProgramNotStarted', 126],
    ['invalid_argument', 'ProgramNotStarted', 126],
    ['resource_exhausted', 'ProgramNotStarted', 125],
    ['not_found', undefined, 125],
  ] as const) {
    const problem = { type: 't', title: 't', status: 400, detail: 'start "x": no', code, reason };
    const ended = await vvm(async (peer) => peer.control({ type: 'error', problem }), ['exec', 'demo', '--', 'x']);
    assert.deepEqual(ended, { code: exitCode, stdout: '', stderr: 'vvm: start "x": no\n' });
  }
});

test('execute --json: one object, output bounded', async () => {
  const result = await vvm(
    async (peer) => {
      peer.started();
      for (let i = 0; i < 40; i += 1) await peer.output('stdout', Buffer.alloc(60_000, 'y'));
      await peer.output('stderr', 'e');
      peer.exited(9);
    },
    ['execute', '--json', '1'],
  );
  const json = JSON.parse(result.stdout);
  assert.equal(result.code, 9);
  assert.equal(json.stdout.length, 1_048_576);
  assert.deepEqual(
    { ...json, stdout: '' },
    {
      exitCode: 9,
      stdout: '',
      stderr: 'e',
      timedOut: false,
      truncated: true,
      durationMs: 1,
      machine: { id: 'm', image: 'tvm/python', bootId: 'b', warm: true },
    },
  );
});

test('Ctrl-C: the first goes to the program, the second leaves and ends the run', async () => {
  const left = Promise.withResolvers<unknown>();
  const signalled = Promise.withResolvers<unknown>();
  await using server = await startStreamServer(async (peer) => {
    peer.started();
    await peer.output('stdout', 'up');
    for await (const message of peer.incoming()) if ('type' in message) signalled.resolve(message);
    left.resolve(await peer.closed);
  });
  const { child, ended } = start(server.endpoint.url, ['execute', '1']);
  await once(child.stdout, 'readable');
  child.kill('SIGINT');
  assert.deepEqual(await signalled.promise, { type: 'signal', signal: 'SIGINT' });
  child.kill('SIGINT');
  assert.equal((await ended).code, 130);
  await left.promise;
});

test('a reader that goes away ends the run quietly', async () => {
  const left = Promise.withResolvers<void>();
  await using server = await startStreamServer(async (peer) => {
    peer.started();
    while (peer.socket.readyState === peer.socket.OPEN) {
      await peer.output('stdout', 'y\n'.repeat(1000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    left.resolve();
  });
  const script = `"${process.execPath}" "${main}" execute 1 | head -1; echo "\${PIPESTATUS[0]}"`;
  const { ended } = start(server.endpoint.url, [script], 'bash', ['-c']);
  assert.deepEqual(await ended, { code: 0, stdout: 'y\n141\n', stderr: '' });
  await left.promise;
});

test('SIGTERM is heard while the reader of stdout does not read', async () => {
  await using server = await startStreamServer(async (peer) => {
    peer.started();
    while (peer.socket.readyState === peer.socket.OPEN) await peer.output('stdout', Buffer.alloc(60_000));
  });
  const script = `"${process.execPath}" "${main}" execute 1 > >(sleep 1000 & echo $! > "$TVM_HOME/sleeper"; wait) & p=$!; sleep 1; kill -TERM $p; wait $p; code=$?; kill "$(cat "$TVM_HOME/sleeper")"; exit $code`;
  const { ended } = start(server.endpoint.url, [script], 'bash', ['-c']);
  assert.equal((await ended).code, 143);
});

test('exec -it: raw terminal with its size, keys as they are, and the terminal is restored', async () => {
  const keys: Buffer[] = [];
  let first: Record<string, unknown> = {};
  await using server = await startStreamServer(async (peer) => {
    first = peer.first;
    peer.started();
    await peer.output('stdout', 'ready');
    for await (const message of peer.incoming()) {
      if ('stdin' in message) keys.push(message.stdin);
      if (Buffer.concat(keys).includes('q')) return peer.exited(4);
    }
  });
  const inner = `stty rows 33 cols 99; stty -g; "${process.execPath}" "${main}" exec -it demo -- sh; echo "code $?"; stty -g`;
  const { child, ended } = start(server.endpoint.url, ['-qefc', inner, '/dev/null'], 'script', []);
  let seen = '';
  child.stdout.on('data', (data) => {
    if (seen.includes('ready')) return;
    seen += data;
    if (seen.includes('ready')) child.stdin.write('\x03\x1aq');
  });
  const { stdout } = await ended;
  assert.equal(Buffer.concat(keys).toString(), '\x03\x1aq');
  assert.deepEqual(first.terminal, { rows: 33, columns: 99 });
  assert.deepEqual(first.argv, ['sh']);
  const states = stdout.match(/[0-9a-f]+(:[0-9a-f]+){10,}/g) ?? [];
  assert.equal(states.length, 2);
  assert.equal(states[0], states[1]);
  assert.match(stdout, /code 4/);
});

test('fork, pool and create: what cannot be is said before anything is asked', async () => {
  for (const [argv, words] of [
    [['fork', 'demo', '--count', '65'], /count/],
    [['fork', 'demo', 'a', 'b', '--count', '3'], /as many names as machines/],
    [['fork', 'demo', 'a', 'a'], /each name once/],
    [['pool', 'scale', 'demo'], /nothing is to change/],
    [['pool', 'scale', 'demo', '--min', '3', '--max', '2'], /not less than minReady/],
    [['pool', 'create', 'Demo'], /name: lower-case letters/],
    [['create', '--on-idle', 'stop'], /without --idle-timeout/],
    [['create', '--idle-timeout', '5m', '--on-idle', 'explode'], /pause, stop, delete/],
  ] as const) {
    const ended = await start('http://127.0.0.1:1', [...argv]).ended;
    assert.equal(ended.code, 2, argv.join(' '));
    assert.match(ended.stderr, words);
  }
});
