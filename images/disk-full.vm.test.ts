// A cache on a disk that is too small: what nothing uses goes for what is asked for, and what cannot fit is told.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { TvmError } from '@tvm/api/errors.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { readImageSettings } from './config.ts';
import type { ImageStore } from './contract.ts';
import { makeImageStore } from './store.ts';
import { startRegistry, type TestRegistry } from './testing/registry.ts';
import { tarArchive } from './testing/tar-archive.ts';

const mib = 1 << 20;
let folder: string;
let cacheDir: string;
let store: ImageStore;
let registry: TestRegistry;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tvm-disk-full-'));
  cacheDir = join(folder, 'cache');
  mkdirSync(cacheDir);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=40m', 'tmpfs', cacheDir]);
  const settings = readImageSettings({ TVM_INSECURE_REGISTRIES: '127.0.0.1' });
  store = makeImageStore({ cacheDir, log: makeLogger('test', 'silent'), settings });
  registry = await startRegistry();
  for (const [name, size] of Object.entries({ one: 15, two: 15, huge: 64 })) {
    registry.push(`${name}:1`, [tarArchive([{ name: 'zeros', content: Buffer.alloc(size * mib, name) }])]);
  }
});
after(async () => {
  await registry?.[Symbol.asyncDispose]();
  execFileSync('umount', [cacheDir]);
  rmSync(folder, { recursive: true, force: true });
});

const ensure = (name: string) => store.ensure(`${registry.host}/${name}:1`, () => {});
const names = async () => (await store.list()).map(({ reference }) => reference.split('/').at(-1));

/** As if all had been used hours ago. */
function age(): void {
  const at = Date.now() / 1000 - 7200;
  for (const part of ['references', 'roots']) {
    for (const name of readdirSync(join(cacheDir, 'images', part)))
      utimesSync(join(cacheDir, 'images', part, name), at, at);
  }
}

test('what is larger than the disk is refused, with what to do, and leaves nothing behind', async () => {
  await assert.rejects(ensure('huge'), (error: TvmError) => {
    assert.deepEqual([error.code, error.reason], ['resource_exhausted', 'NoSpace']);
    assert.match(error.hint ?? '', /vvm image prune/);
    return true;
  });
  assert.deepEqual(readdirSync(join(cacheDir, 'staging')), []);
});

test('what is used stays, and then there is no room; what nothing uses makes room', async () => {
  const { digest } = await ensure('one');
  await store.declareUses(folder, [digest]);
  age();
  await assert.rejects(ensure('two'), (error: TvmError) => error.reason === 'NoSpace');
  assert.deepEqual(await names(), ['one:1']);
  assert.equal((await store.list())[0]?.inUse, true);
  await store.declareUses(folder, []);
  await ensure('two');
  assert.deepEqual(await names(), ['two:1']);
});
