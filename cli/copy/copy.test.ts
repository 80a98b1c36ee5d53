// Copies both ways: bytes, modes and times are kept; whatever a guest answers, nothing outside the target changes.
import assert from 'node:assert/strict';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { FileView } from '@tvm/api/rest/microvms.ts';
import fc from 'fast-check';
import { copyFromMachine } from './from-machine.ts';
import { entryName, isPlainName, linkStaysInside } from './safe-path.ts';
import { type MemoryEntry, makeMemoryFiles } from './testing/memory-files.ts';
import { copyToMachine } from './to-machine.ts';

const quiet = () => undefined;

function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tvm-copy-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('a folder goes in and comes back the same', async (t) => {
  const folder = scratch(t);
  const source = join(folder, 'data');
  mkdirSync(join(source, 'sub/empty'), { recursive: true });
  const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, i) => i % 256));
  writeFileSync(join(source, 'sub/binary'), bytes);
  chmodSync(join(source, 'sub/binary'), 0o751);
  utimesSync(join(source, 'sub/binary'), 1_234_567_890, 1_234_567_890);
  writeFileSync(join(source, 'na me\n%2e"'), '');
  symlinkSync('sub/binary', join(source, 'link'));

  const entries = new Map<string, MemoryEntry>([['/root', { type: 'directory' }]]);
  const files = makeMemoryFiles(entries);
  const skipped = await copyToMachine(files, source, '/root', quiet);
  assert.deepEqual(skipped, [`${join(source, 'link')}: a link`]);
  assert.deepEqual(entries.get('/root/data/sub/binary'), {
    type: 'file',
    content: bytes,
    mode: 0o751,
    mtimeMs: 1_234_567_890_000,
  });

  assert.deepEqual(await copyFromMachine(files, '/root/data', join(folder, 'back'), quiet), []);
  const back = join(folder, 'back');
  assert.deepEqual(readFileSync(join(back, 'sub/binary')), bytes);
  assert.equal(statSync(join(back, 'sub/binary')).mode & 0o7777, 0o751);
  assert.equal(statSync(join(back, 'sub/binary')).mtimeMs, 1_234_567_890_000);
  assert.deepEqual(readdirSync(back).sort(), ['na me\n%2e"', 'sub']);
  assert.ok(statSync(join(back, 'sub/empty')).isDirectory());
});

test('links that stay inside are copied, others are named and left out; set-user-id bits are dropped', async (t) => {
  const target = join(scratch(t), 'out');
  const files = makeMemoryFiles(
    new Map<string, MemoryEntry>([
      ['/d', { type: 'directory', mode: 0o555 }],
      ['/d/in', { type: 'symlink', linkTarget: 'f' }],
      ['/d/up', { type: 'symlink', linkTarget: '../f' }],
      ['/d/abs', { type: 'symlink', linkTarget: '/etc/passwd' }],
      ['/d/f', { type: 'file', content: Buffer.from('x'), mode: 0o6755 }],
      ['/d/pipe', { type: 'other' }],
    ]),
  );
  const skipped = await copyFromMachine(files, '/d', target, quiet);
  assert.deepEqual(skipped.map((line) => line.split(':')[0]).sort(), ['/d/abs', '/d/pipe', '/d/up']);
  assert.equal(readlinkSync(join(target, 'in')), 'f');
  assert.equal(statSync(join(target, 'f')).mode & 0o7777, 0o755);
  assert.equal(statSync(target).mode & 0o777, 0o555);
});

test('a link below the target is not followed, a file in its place is replaced', async (t) => {
  const folder = scratch(t);
  mkdirSync(join(folder, 'outside'));
  writeFileSync(join(folder, 'victim'), 'before');
  mkdirSync(join(folder, 'out'));
  symlinkSync('../outside', join(folder, 'out/sub'));
  symlinkSync('../victim', join(folder, 'out/file'));
  const files = makeMemoryFiles(
    new Map<string, MemoryEntry>([
      ['/d', { type: 'directory', mode: 0o755 }],
      ['/d/sub', { type: 'directory', mode: 0o755 }],
      ['/d/sub/evil', { type: 'file', content: Buffer.from('x') }],
      ['/d/file', { type: 'file', content: Buffer.from('x') }],
    ]),
  );
  // The target exists, so what is copied is out/d; the names below it are taken by links of an earlier copy.
  const skipped = await copyFromMachine(files, '/d', join(folder, 'out'), quiet);
  assert.deepEqual(skipped, []);
  rmSync(join(folder, 'out/d'), { recursive: true });
  mkdirSync(join(folder, 'out/d'));
  symlinkSync('../../outside', join(folder, 'out/d/sub'));
  symlinkSync('../../victim', join(folder, 'out/d/file'));
  assert.equal((await copyFromMachine(files, '/d', join(folder, 'out'), quiet)).length, 1);
  assert.deepEqual(readdirSync(join(folder, 'outside')), []);
  assert.equal(readFileSync(join(folder, 'victim'), 'utf8'), 'before');
  assert.ok(lstatSync(join(folder, 'out/d/file')).isFile());
});

const hostileName = fc.oneof(
  fc.constantFrom('..', '.', '', '/', '../x', '/etc/x', 'a/../../x', 'a\0b', '....//', 'x/', '-rf', 'a\nb', '%2e%2e'),
  fc.string({ maxLength: 12 }),
);

test('property: whatever a guest lists, nothing appears outside the target', async (t) => {
  const entry = fc.record({
    path: fc.oneof(
      hostileName,
      hostileName.map((name) => `/d/${name}`),
    ),
    type: fc.constantFrom('file' as const, 'directory' as const, 'symlink' as const, 'other' as const),
    linkTarget: hostileName,
    mtimeMs: fc.oneof(fc.double(), fc.constant(0)),
    mode: fc.integer({ min: 0, max: 0o7777 }),
  });
  const folder = scratch(t);
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { maxLength: 8 }), async (listed) => {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(join(folder, 'jail/target'), { recursive: true });
      const views: FileView[] = listed.map((each) => ({ ...each, size: 1, uid: 0, gid: 0 }));
      const files = makeMemoryFiles(new Map([['/d', { type: 'directory', mode: 0o755 }]]), new Map([['/d', views]]));
      await copyFromMachine(files, '/d', join(folder, 'jail/target'), quiet).catch((error: NodeJS.ErrnoException) => {
        // Two entries of one name, or a name that this file system refuses, may fail; escaping may not.
        assert.notEqual(error.name, 'AssertionError');
      });
      assert.deepEqual(readdirSync(folder), ['jail']);
      assert.deepEqual(readdirSync(join(folder, 'jail')), ['target']);
      for (const name of readdirSync(join(folder, 'jail/target'))) assert.equal(name, 'd');
    }),
    { numRuns: 200 },
  );
});

test('property: plain names and links that pass stay inside', () => {
  fc.assert(
    fc.property(hostileName, (name) => {
      const passed = entryName('/d', name);
      if (passed !== undefined) assert.ok(isPlainName(passed) && normalize(join('/jail', passed)).startsWith('/jail/'));
    }),
  );
  const steps = fc.array(fc.constantFrom('..', '.', 'a', 'b', ''), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(steps, fc.nat({ max: 3 }), (target, depth) => {
      const relative = [...Array(depth).fill('d'), 'link'].join('/');
      if (!linkStaysInside(relative, target.join('/'))) return;
      const pointsTo = normalize(join('/jail', relative, '..', target.join('/')));
      assert.ok(`${pointsTo}/`.startsWith('/jail/'), pointsTo);
    }),
  );
});

test('a folder without end is given up', async (t) => {
  const endless = makeMemoryFiles(new Map());
  endless.stat = async (path) => ({ path, type: 'directory', size: 0, mode: 0o755, uid: 0, gid: 0, mtimeMs: 0 });
  endless.list = async (path) => [
    { path: `${path}/d`, type: 'directory', size: 0, mode: 0o755, uid: 0, gid: 0, mtimeMs: 0 },
  ];
  await assert.rejects(copyFromMachine(endless, '/d', join(scratch(t), 'out'), quiet), { code: 'resource_exhausted' });
});
