// The real agent's files over the real protocol, without a VM.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { FileEventKind, FileType } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import * as files from './files.ts';
import { startAgent } from './testing/real-agent.ts';

const agent = await startAgent();
const connection = await agent.connect();
after(async () => {
  connection.close();
  await agent[Symbol.asyncDispose]();
});
const at = (...names: string[]) => join(agent.folder, ...names);

async function contentOf(path: string, range: { offset?: bigint; limit?: bigint } = {}): Promise<Buffer> {
  const { chunks } = await files.readFile(connection, { path, ...range });
  return Buffer.concat(await Array.fromAsync(chunks));
}

test('bytes and mode survive both ways', async () => {
  const content = randomBytes(1_500_001);
  const pieces = [content.subarray(0, 3), content.subarray(3, 900_000), content.subarray(900_000)];
  const path = at('deep/er/file');
  const info = await files.writeFile(
    connection,
    { path, mode: 0o4750, makeParents: true, mtimeNs: 1_700_000_000_000_000_000n },
    pieces,
  );
  assert.deepEqual([info.size, info.mode, info.mtimeNs], [1_500_001n, 0o4750, 1_700_000_000_000_000_000n]);
  assert.deepEqual(readFileSync(path), content);
  assert.deepEqual(await contentOf(path), content);
  assert.deepEqual(await contentOf(path, { offset: 1_500_000n }), content.subarray(1_500_000));
  assert.deepEqual(await contentOf(path, { offset: 10n, limit: 7n }), content.subarray(10, 17));
  assert.equal((await contentOf(path, { offset: 9_000_000n })).length, 0);
});

test('an existing file is cut or appended to, and keeps its mode and its links', async () => {
  writeFileSync(at('target'), 'a long old content', { mode: 0o600 });
  symlinkSync('target', at('link'));
  await files.writeFile(connection, { path: at('link') }, [Buffer.from('new')]);
  await files.writeFile(connection, { path: at('target'), append: true }, [Buffer.from('er')]);
  assert.equal(readFileSync(at('target'), 'utf8'), 'newer');
  assert.equal(statSync(at('target')).mode & 0o777, 0o600);
  assert.equal((await files.statFile(connection, at('link'))).type, FileType.SYMLINK);
  assert.equal((await files.statFile(connection, at('link'))).linkTarget, 'target');
  await files.writeFile(connection, { path: at('empty') }, []);
  assert.equal((await files.statFile(connection, at('empty'))).size, 0n);
});

test('what cannot be read or written says so and never hangs', async () => {
  execFileSync('mkfifo', [at('fifo')]);
  const read = (path: string) => files.readFile(connection, { path });
  await assert.rejects(read(at('fifo')), { code: 'failed_precondition' });
  await assert.rejects(read('/dev/zero'), { code: 'failed_precondition' });
  await assert.rejects(read(agent.folder), { code: 'failed_precondition' });
  await assert.rejects(read(at('none')), { code: 'not_found' });
  await assert.rejects(read('relative'), { code: 'invalid_argument' });
  await assert.rejects(read(`/${'x'.repeat(300)}`), { code: 'invalid_argument' });
  const write = (path: string) => files.writeFile(connection, { path }, [Buffer.alloc(3_000_000)]);
  await assert.rejects(write(at('fifo')), { code: 'failed_precondition' });
  await assert.rejects(write(at('none/x')), { code: 'not_found' });
  await assert.rejects(write('/dev/full'), { code: 'failed_precondition' });
  await assert.rejects(write(agent.folder), { code: 'failed_precondition' });
  await assert.rejects(files.writeFile(connection, { path: at('x'), user: 'no-such' }, []), { code: 'not_found' });
});

test('content that fails on our side cancels the writing', async () => {
  const failing = async function* () {
    yield Buffer.from('some');
    throw new Error('disk on fire');
  };
  await assert.rejects(files.writeFile(connection, { path: at('cut-short') }, failing()), { message: 'disk on fire' });
});

test('a proc file without a size is read to its end', async () => {
  assert.match((await contentOf('/proc/self/status')).toString(), /tvm-agent/);
});

test('lists sorted, to a depth, without following links', async () => {
  mkdirSync(at('tree/sub/below'), { recursive: true });
  writeFileSync(at('tree/file'), 'x');
  symlinkSync('/', at('tree/root'));
  const names = async (depth: number) =>
    (await Array.fromAsync(files.listFiles(connection, at('tree'), depth))).map((info) =>
      info.path.slice(at('tree').length),
    );
  assert.deepEqual(await names(1), ['/file', '/root', '/sub']);
  assert.deepEqual(await names(9), ['/file', '/root', '/sub', '/sub/below']);
  await assert.rejects(Array.fromAsync(files.listFiles(connection, at('tree/file'))), { code: 'failed_precondition' });
  await assert.rejects(Array.fromAsync(files.listFiles(connection, '/proc', 64)), { code: 'resource_exhausted' });
});

test('folders are made, files moved and removed', async () => {
  assert.equal((await files.makeDirectory(connection, at('made'), { mode: 0o1777 })).mode, 0o1777);
  await assert.rejects(files.makeDirectory(connection, at('made')), { code: 'already_exists' });
  await files.makeDirectory(connection, at('made'), { parents: true });
  await assert.rejects(files.makeDirectory(connection, at('a/b')), { code: 'not_found' });
  writeFileSync(at('made/one'), '1');
  writeFileSync(at('made/two'), '2');
  await assert.rejects(files.moveFile(connection, at('made/one'), at('made/two')), { code: 'already_exists' });
  await files.moveFile(connection, at('made/one'), at('made/two'), true);
  assert.equal(readFileSync(at('made/two'), 'utf8'), '1');
  await assert.rejects(files.removeFile(connection, at('made')), { code: 'already_exists' });
  symlinkSync(at('made'), at('alias'));
  await files.removeFile(connection, at('alias'), true);
  assert.equal(readFileSync(at('made/two'), 'utf8'), '1');
  await files.removeFile(connection, at('made'), true);
  await assert.rejects(files.removeFile(connection, at('made')), { code: 'not_found' });
});

test('changes are watched: new folders too, moves with both names', async () => {
  mkdirSync(at('watched/old'), { recursive: true });
  const events = files.watchFiles(connection, { path: at('watched'), recursive: true });
  const seen: string[] = [];
  const until = async (expected: string) => {
    while (!seen.includes(expected)) {
      const { value, done } = await events.next();
      if (done) assert.fail(`the watch ended before ${expected}`);
      const name = (path: string) => path.slice(at('watched').length);
      seen.push([FileEventKind[value.kind], name(value.path), name(value.movedTo)].join(' ').trim());
    }
  };
  await until('READY');
  writeFileSync(at('watched/a'), 'x');
  await until('CREATED /a');
  await until('MODIFIED /a');
  chmodSync(at('watched/a'), 0o600);
  renameSync(at('watched/a'), at('watched/old/b'));
  await until('MOVED /a /old/b');
  mkdirSync(at('watched/new'));
  await until('CREATED /new');
  writeFileSync(at('watched/new/c'), '');
  await until('CREATED /new/c');
  renameSync(at('watched/new'), at('watched/renamed'));
  await until('MOVED /new /renamed');
  writeFileSync(at('watched/renamed/d'), '');
  await until('CREATED /renamed/d');
  rmSync(at('watched/old/b'));
  await until('REMOVED /old/b');
  await events.return(undefined);
  await assert.rejects(files.watchFiles(connection, { path: at('no-such') }).next(), { code: 'not_found' });
});
