import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { TvmError } from '@tvm/api/errors.ts';
import { makeCache } from './cache.ts';

let folder: string;
describe('cache', () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tvm-cache-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('publishes by rename, and the first maker wins', async () => {
    const cache = makeCache(folder);
    for (const content of ['first', 'second']) {
      await using staging = await cache.staging();
      writeFileSync(join(staging.path, 'file'), content);
      assert.equal(await cache.publish(staging, 'a', 'b'), join(folder, 'a/b'));
    }
    assert.equal(readFileSync(join(folder, 'a/b/file'), 'utf8'), 'first');
    assert.deepEqual(readdirSync(join(folder, 'staging')), []);
  });

  it('sweeps what dead makers left and nothing else', async () => {
    const cache = makeCache(folder);
    await using mine = await cache.staging();
    const [pid] = (mine.path.split('/').at(-1) ?? '').split('-');
    for (const stale of ['1-999999999999.abc', `${pid}-1.abc`, 'nonsense', '4194999-5.abc']) {
      mkdirSync(join(folder, 'staging', stale, 'deep'), { recursive: true });
    }
    await cache.sweep();
    assert.deepEqual(
      readdirSync(join(folder, 'staging')).map((name) => join(folder, 'staging', name)),
      [mine.path],
    );
  });

  it('keeps others out while locked, and lets go afterwards and after an error', async () => {
    const cache = makeCache(folder);
    const order: string[] = [];
    const work = (name: string) => () =>
      new Promise<void>((resolve) => {
        order.push(`${name} in`);
        setImmediate(() => resolve(void order.push(`${name} out`)));
      });
    await Promise.all(['a', 'b', 'c'].map((name) => cache.locked('l', undefined, work(name))));
    for (let at = 0; at < order.length; at += 2) assert.equal(order[at]?.replace('in', 'out'), order[at + 1]);
    await assert.rejects(
      cache.locked('l', undefined, () => Promise.reject(new Error('x'))),
      /x/,
    );
    assert.equal(await cache.locked('l', undefined, () => Promise.resolve(1)), 1);
  });

  it('gives up waiting when canceled', async () => {
    const cache = makeCache(folder);
    await cache.locked('l', undefined, async () => {
      const stop = new AbortController();
      const waiting = cache.locked('l', stop.signal, () => assert.fail('was locked'));
      setTimeout(() => stop.abort(), 50);
      await assert.rejects(waiting, (error: TvmError) => error.code === 'canceled');
    });
  });

  it('frees the lock of a process that is killed', async () => {
    const cacheModule = fileURLToPath(new URL('./cache.ts', import.meta.url));
    const script = `
    import { makeCache } from ${JSON.stringify(cacheModule)};
    await makeCache(${JSON.stringify(folder)}).locked('l', undefined, () => { console.log('locked'); return new Promise(() => setInterval(() => {}, 1000)); });`;
    const holder = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    holder.kill('SIGKILL');
    assert.equal(
      await makeCache(folder).locked('l', AbortSignal.timeout(20_000), () => Promise.resolve('mine')),
      'mine',
    );
    assert.ok(existsSync(join(folder, 'locks/l.lock')));
  });
});
