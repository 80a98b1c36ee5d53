import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { TvmError } from '@tvm/api/errors.ts';
import { makeCache } from './cache.ts';
import { makeRootCatalog } from './root-catalog.ts';

let folder: string;
describe('root catalog', () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tvm-catalog-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const config = { env: {}, user: '', workdir: '', entrypoint: [], cmd: [] };
  const digest = `sha256:${'0'.repeat(64)}`;

  async function add(reference: string, key = 'k', content = 'root') {
    const cache = makeCache(folder);
    await using staging = await cache.staging();
    writeFileSync(join(staging.path, 'root.squashfs'), content);
    return await makeRootCatalog(cache).add({ reference, key, digest, createdAtMs: 1, config }, staging);
  }

  const none = new Set<string>();
  const catalog = () => makeRootCatalog(makeCache(folder));

  it('finds what was added, by reference and key', async () => {
    assert.deepEqual(await catalog().list(), []);
    const image = await add('b:1');
    assert.equal(image.sizeBytes, 4);
    assert.deepEqual(await catalog().find('b:1', 'k'), image);
    assert.equal(await catalog().find('b:1', 'other'), undefined);
    assert.equal(await catalog().find('a:1', 'k'), undefined);
    await add('a:1');
    assert.deepEqual(
      (await catalog().list()).map(({ reference }) => reference),
      ['a:1', 'b:1'],
    );
  });

  it('keeps a file until its last reference is removed', async () => {
    const { path } = await add('a:1');
    await add('b:1');
    await catalog().remove('a:1', none);
    assert.ok(existsSync(path));
    await catalog().remove('b:1', none);
    assert.ok(!existsSync(path));
    await assert.rejects(catalog().remove('b:1', none), (error: TvmError) => error.code === 'not_found');
  });

  it('takes a damaged file or record for none, and mends it when it is made again', async () => {
    const { path } = await add('a:1');
    truncateSync(path, 1);
    assert.equal(await catalog().find('a:1', 'k'), undefined);
    await add('a:1');
    assert.ok(await catalog().find('a:1', 'k'));
    const records = join(folder, 'images/references');
    for (const name of readdirSync(records)) writeFileSync(join(records, name), '{"half":');
    assert.equal(await catalog().find('a:1', 'k'), undefined);
    assert.deepEqual(await catalog().list(), []);
  });
});
