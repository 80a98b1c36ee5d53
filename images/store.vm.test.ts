// The store as a whole: default images made for real, shared between callers and processes, interrupted in the middle; and
// its boot files booted.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { TvmError } from '@tvm/api/errors.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import type { RootImage } from './contract.ts';
import { makeImageStore } from './store.ts';
import { bootToAgent } from './testing/boot.ts';

const ignore = () => {};
let cacheDir: string;
before(() => {
  cacheDir = mkdtempSync(join(tmpdir(), 'tvm-store-'));
});
after(() => {
  rmSync(cacheDir, { recursive: true, force: true });
});

const makeStore = () => makeImageStore({ cacheDir, log: makeLogger('test', 'silent') });

/** Another process that makes tvm/python in the same cache and prints the progress, then the image as JSON. */
function startMaker(): ChildProcess {
  const script = `
    import { makeImageStore } from ${JSON.stringify(fileURLToPath(new URL('./store.ts', import.meta.url)))};
    const log = { warn() {} };
    const store = makeImageStore({ cacheDir: ${JSON.stringify(cacheDir)}, log });
    console.log(JSON.stringify(await store.ensure('tvm/python', console.log)));`;
  return spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Programs of this host that have the cache folder in an argument. */
function usersOfCache(): string[] {
  const lines = spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).stdout.split('\n');
  return lines.filter((line) => line.includes(`${cacheDir}/`) && !line.includes('--input-type=module'));
}

async function untilUnused(): Promise<void> {
  for (let attempt = 0; usersOfCache().length > 0; attempt++) {
    assert.ok(attempt < 100, usersOfCache().join('\n'));
    await delay(100);
  }
}

function halfMade(): string[] {
  return readdirSync(join(cacheDir, 'staging'));
}

function readFromImage(image: RootImage, path: string): string {
  return spawnSync('unsquashfs', ['-cat', image.path, path], { encoding: 'utf8' }).stdout;
}

describe('default images', () => {
  it('ends everything when the maker is killed, and sweeps what it left', async () => {
    const maker = startMaker();
    const ended = once(maker, 'exit');
    for await (const chunk of maker.stdout ?? []) if (/extracting/.test(String(chunk))) break;
    maker.kill('SIGKILL');
    await ended;
    await untilUnused();
    assert.notDeepEqual(halfMade(), []);
    const stop = new AbortController();
    const canceled = makeStore().ensure('tvm/python', () => stop.abort(), stop.signal);
    await assert.rejects(canceled, (error: TvmError) => error.code === 'canceled');
    await untilUnused();
    for (let attempt = 0; halfMade().length > 0 && attempt < 100; attempt++) await delay(100);
    assert.deepEqual(halfMade(), []);
    assert.deepEqual(await makeStore().list(), []);
  });

  it('is made once for callers in one process and in another', async () => {
    const heard: string[] = [];
    const store = makeStore();
    const maker = startMaker();
    const output = (async () => {
      let text = '';
      for await (const chunk of maker.stdout ?? []) text += chunk;
      return text;
    })();
    const images = await Promise.all([1, 2].map(() => store.ensure('tvm/python', (line) => heard.push(line))));
    const printed = (await output).trim().split('\n');
    assert.deepEqual(images[0], images[1]);
    assert.equal(JSON.parse(printed.at(-1) ?? '').digest, images[0]?.digest);
    const builtHere = heard.some((line) => line.includes('extracting'));
    const builtThere = printed.some((line) => line.includes('extracting'));
    assert.notEqual(builtHere, builtThere);
    assert.deepEqual(halfMade(), []);
  });

  it('is a Debian with python3 and nothing of this host', async () => {
    const image = await makeStore().ensure('tvm/python', ignore);
    assert.match(readFromImage(image, 'usr/lib/os-release'), /^ID=debian$/m);
    assert.equal(readFromImage(image, 'etc/hostname'), 'localhost\n');
    assert.equal(readFromImage(image, 'etc/resolv.conf'), '');
    const listing = spawnSync('unsquashfs', ['-l', '-d', '', image.path], { encoding: 'utf8' }).stdout;
    for (const path of [
      '/usr/bin/python3',
      '/usr/bin/bash',
      '/usr/bin/ps',
      '/usr/bin/dpkg',
      '/proc',
      '/sys',
      '/dev',
      '/tmp',
    ]) {
      assert.ok(listing.split('\n').includes(path), path);
    }
    assert.doesNotMatch(listing, /99mmdebstrap\.conf|\/var\/cache\/apt\/.*\.deb|^\/proc\/./m);
  });

  it('is listed', async () => {
    const store = makeStore();
    const [image] = await store.list();
    assert.deepEqual([image?.reference, image?.inUse], ['tvm/python', false]);
    const { digest, path } = await store.ensure('tvm/python:latest', ignore);
    assert.deepEqual([digest, path], [image?.digest, image?.path]);
  });
});

describe('boot files', () => {
  it('of Debian’s cloud kernel boot to the agent', async () => {
    const store = makeStore();
    const image = await store.ensure('tvm/python', ignore);
    const boot = await store.bootFiles(ignore);
    assert.deepEqual(await store.bootFiles(ignore), boot, 'the cache answers the second time');
    assert.match(boot.kernelVersion, /cloud/);
    assert.ok(existsSync(boot.initrdPath));
    await bootToAgent(boot, image.path);
  });

  it('refuse a configured kernel that is none', async () => {
    const log = makeLogger('test', 'silent');
    for (const kernel of ['/nonexistent', '/etc/passwd']) {
      await assert.rejects(
        makeImageStore({ cacheDir, log, kernel }).bootFiles(ignore),
        (error: TvmError) => error.code === 'failed_precondition' && error.message.includes(kernel),
      );
    }
  });

  it('take a configured kernel as it is', async () => {
    const boot = await makeStore().bootFiles(ignore);
    const own = await makeImageStore({
      cacheDir,
      log: makeLogger('test', 'silent'),
      kernel: boot.kernelPath,
    }).bootFiles(ignore);
    assert.equal(own.kernelPath, boot.kernelPath);
    assert.equal(own.needsAcpi, true);
    assert.ok(readFileSync(own.initrdPath).length < readFileSync(boot.initrdPath).length, 'no modules with it');
  });
});

it('removes an image and says so the second time', async () => {
  const store = makeStore();
  await store.remove('tvm/python');
  assert.deepEqual(await store.list(), []);
  await assert.rejects(store.remove('tvm/python'), (error: TvmError) => error.code === 'not_found');
});
