import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { installSeed } from './seed.ts';

let folder = '';
let seed = '';
let cacheDir = '';

describe('seed', () => {
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tvm-seed-'));
    [seed, cacheDir] = [join(folder, 'seed'), join(folder, 'cache')];
    await write(seed, 'kernels/cloud/6.12/vmlinux', 'a kernel');
    await write(seed, 'kernels/cloud/6.12/modules/01-a.ko', 'a module');
    await write(seed, 'images/roots/sha256-1/root.squashfs', 'a root');
    await write(seed, 'images/references/abc.json', '{"reference":"tvm/python"}');
    const list = { folders: ['kernels/cloud/6.12', 'images/roots/sha256-1'], references: ['abc.json'] };
    await write(seed, 'seed.json', JSON.stringify(list));
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function write(root: string, path: string, content: string): Promise<void> {
    await mkdir(join(root, path, '..'), { recursive: true });
    await writeFile(join(root, path), content);
  }

  const inCache = (path: string) => readFile(join(cacheDir, path), 'utf8');

  it('brings folders and references into a cache, and nothing half-made stays', async () => {
    await installSeed(seed, cacheDir);
    assert.equal(await inCache('kernels/cloud/6.12/modules/01-a.ko'), 'a module');
    assert.equal(await inCache('images/roots/sha256-1/root.squashfs'), 'a root');
    assert.equal(await inCache('images/references/abc.json'), '{"reference":"tvm/python"}');
    assert.deepEqual(await readdir(join(cacheDir, 'staging')), []);
    assert.deepEqual(await readdir(join(cacheDir, 'images/references')), ['abc.json']);
  });

  it('leaves alone what is there, and can be repeated', async () => {
    await write(cacheDir, 'kernels/cloud/6.12/vmlinux', 'the one in use');
    await installSeed(seed, cacheDir);
    await installSeed(seed, cacheDir);
    assert.equal(await inCache('kernels/cloud/6.12/vmlinux'), 'the one in use');
  });

  it('several pods of one node may do it at once', async () => {
    await Promise.all(Array.from({ length: 5 }, () => installSeed(seed, cacheDir)));
    assert.equal(await inCache('images/roots/sha256-1/root.squashfs'), 'a root');
  });

  it('refuses a seed that is none', async () => {
    await writeFile(join(seed, 'seed.json'), '{"folders":"all"}');
    await assert.rejects(installSeed(seed, cacheDir));
  });
});
