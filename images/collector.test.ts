import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { makeCache } from './cache.ts';
import { makeCollector } from './collector.ts';
import { keyOf } from './digest.ts';
import { makeImageUses } from './image-uses.ts';
import { makeRootCatalog } from './root-catalog.ts';

let folder: string;
describe('collector of images', () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tvm-collector-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const config = { env: {}, user: '', workdir: '', entrypoint: [], cmd: [] };
  const digestOf = (content: string) => `sha256:${keyOf(content)}`;

  async function setUp() {
    const cache = makeCache(folder);
    const catalog = makeRootCatalog(cache);
    const uses = makeImageUses(cache);
    const add = async (reference: string, content: string, usedHoursAgo: number) => {
      await using staging = await cache.staging();
      writeFileSync(join(staging.path, 'root.squashfs'), content);
      const facts = { reference, key: 'k', digest: digestOf(content), createdAtMs: 1, config };
      const { path } = await catalog.add(facts, staging);
      const at = Date.now() / 1000 - usedHoursAgo * 3600;
      utimesSync(join(path, '..'), at, at);
      utimesSync(join(folder, 'images/references', `${sha256(reference)}.json`), at, at);
      return path;
    };
    return { catalog, uses, add, collector: makeCollector(catalog, uses) };
  }

  function sha256(text: string): string {
    return createHash('sha256').update(text).digest('hex');
  }

  it('keeps what a machine uses, while its node is there', async () => {
    const { uses, add, collector } = await setUp();
    const node = join(folder, 'node');
    mkdirSync(node);
    const [used, idle] = [await add('used:1', 'aaaa', 5), await add('idle:1', 'bbbb', 1)];
    await uses.declare(node, [digestOf('aaaa'), digestOf('aaaa')]);
    assert.deepEqual(await collector.shrinkTo(0), { references: ['idle:1'], bytes: 4 });
    assert.deepEqual([existsSync(used), existsSync(idle)], [true, false]);
    rmSync(node, { recursive: true });
    assert.deepEqual((await collector.shrinkTo(0)).references, ['used:1']);
  });

  it('frees as much as is asked for, the least recently used first', async () => {
    const { add, collector } = await setUp();
    for (const [index, name] of ['a', 'b', 'c'].entries()) await add(`${name}:1`, `${name}123`, 9 - index);
    assert.deepEqual((await collector.free(5)).references, ['a:1', 'b:1']);
  });

  it('spares a reference that was used after it was chosen', async () => {
    const { catalog, add, collector } = await setUp();
    const path = await add('a:1', 'aaaa', 5);
    const [root] = await catalog.roots();
    assert.ok(root);
    await catalog.touch('a:1');
    assert.equal(await catalog.removeRoot(root, new Set(), Date.now() - 60_000), false);
    assert.ok(existsSync(path));
    assert.equal((await catalog.find('a:1', 'k'))?.path, path);
    assert.deepEqual((await collector.shrinkTo(0)).references, []);
  });

  it('keeps the file of a forgotten reference for whoever uses it, and takes it afterwards', async () => {
    const { catalog, uses, add, collector } = await setUp();
    const path = await add('a:1', 'aaaa', 5);
    await uses.declare(folder, [digestOf('aaaa')]);
    await catalog.remove('a:1', await uses.digests());
    assert.ok(existsSync(path));
    assert.equal((await collector.shrinkTo(1000)).bytes, 0);
    await uses.declare(folder, []);
    assert.equal((await collector.shrinkTo(1000)).bytes, 4);
    assert.ok(!existsSync(path));
  });
});
