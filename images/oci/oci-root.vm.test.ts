// Pulls from a real registry: what works, what registries refuse, and images that attack the host.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { TvmError } from '@tvm/api/errors.ts';
import { makeCache } from '../cache.ts';
import type { RootImage } from '../contract.ts';
import { parseReference } from '../reference.ts';
import { makeRootCatalog } from '../root-catalog.ts';
import { freePort, startRegistry, type TestRegistry } from '../testing/registry.ts';
import { tarArchive } from '../testing/tar-archive.ts';
import { defaultLimits } from './limits.ts';
import { makeOciRoots } from './oci-root.ts';

const plainLayer = tarArchive([
  { name: 'etc/', type: '5' },
  { name: 'etc/motd', content: 'hello\n' },
  { name: 'etc/old', content: 'gone later' },
  { name: 'bin/', type: '5' },
  { name: 'bin/su', content: 'setuid', mode: 0o4755 },
]);
const secondLayer = tarArchive([
  { name: 'etc/', type: '5' },
  { name: 'etc/.wh.old' },
  { name: 'etc/new', content: 'new' },
]);

let registry: TestRegistry;
let cacheDir: string;

before(async () => {
  registry = await startRegistry();
});
after(async () => {
  await registry[Symbol.asyncDispose]();
});

function pull(reference: string, limits = defaultLimits, signal = new AbortController().signal): Promise<RootImage> {
  const cache = makeCache(cacheDir);
  const registries = { mirrors: {}, insecure: ['127.0.0.1'] };
  const roots = makeOciRoots({ cache, catalog: makeRootCatalog(cache), limits, registries });
  return roots.ensure(parseReference(reference).normalised, () => {}, signal, {});
}

function listing(image: RootImage): string {
  return spawnSync('unsquashfs', ['-ll', '-d', '', image.path], { encoding: 'utf8' }).stdout;
}

function contentOf(image: RootImage, path: string): string {
  return spawnSync('unsquashfs', ['-cat', image.path, path], { encoding: 'utf8' }).stdout;
}

function halfMade(): string[] {
  const staging = join(cacheDir, 'staging');
  return existsSync(staging) ? readdirSync(staging) : [];
}

async function failure(reference: string, limits = defaultLimits): Promise<TvmError> {
  const error = await pull(reference, limits).then(
    () => assert.fail(`${reference} was pulled`),
    (thrown: TvmError) => thrown,
  );
  assert.deepEqual(halfMade(), []);
  return error;
}

describe('OCI images', () => {
  beforeEach(() => {
    cacheDir = mkdtempSync(join(tmpdir(), 'tvm-oci-'));
  });
  afterEach(() => {
    rmSync(cacheDir, { recursive: true, force: true });
  });

  it('pulls by tag: layers in order, whiteouts, modes, configuration', async () => {
    const config = { Env: ['A=1', 'B=x=y'], User: '1000', WorkingDir: '/w', Entrypoint: ['/e'], Cmd: ['c'] };
    const digest = registry.push('demo:one', [plainLayer, secondLayer], config);
    const image = await pull(`${registry.host}/demo:one`);
    assert.equal(image.digest, digest);
    assert.deepEqual(image.config, {
      env: { A: '1', B: 'x=y' },
      user: '1000',
      workdir: '/w',
      entrypoint: ['/e'],
      cmd: ['c'],
    });
    assert.equal(contentOf(image, 'etc/motd'), 'hello\n');
    assert.doesNotMatch(listing(image), /etc\/old/);
    assert.match(listing(image), /-rwsr-xr-x root\/root .*\/bin\/su/);
  });

  it('pulls layers that are compressed with zstd, the same one twice too', async () => {
    const digest = registry.push('demo:zstd', [plainLayer, secondLayer, plainLayer], {}, 'zstd');
    const image = await pull(`${registry.host}/demo:zstd`);
    assert.equal(image.digest, digest);
    assert.equal(contentOf(image, 'etc/old'), 'gone later');
    assert.equal(contentOf(image, 'etc/new'), 'new');
  });

  it('pulls by digest, and serves a known reference without the registry', async () => {
    const digest = registry.push('demo:two', [plainLayer]);
    const reference = `${registry.host}/demo@${digest}`;
    const image = await pull(reference);
    assert.equal(image.digest, digest);
    assert.deepEqual(await pull(reference), image);
  });

  it('tells a missing tag and a missing repository in the words of the registry', async () => {
    registry.push('demo:three', [plainLayer]);
    for (const name of ['demo:absent', 'absent:latest']) {
      const error = await failure(`${registry.host}/${name}`);
      assert.equal(error.code, 'not_found');
      assert.equal(error.reason, 'ImagePullFailed');
      assert.match(error.message, /manifest unknown|name unknown/);
      assert.doesNotMatch(error.message, /level=|time=/);
    }
  });

  it('calls a registry that does not answer unavailable', async () => {
    const error = await failure(`127.0.0.1:${await freePort()}/x:y`);
    assert.equal(error.code, 'unavailable');
    assert.match(error.message, /connection refused/);
  });

  it('refuses a blob that is not what its digest says', async () => {
    const digest = registry.push('tampered:1', [tarArchive([{ name: 'a', content: 'original' }])]);
    const manifest = JSON.parse(readFileSync(registry.blobFile(digest), 'utf8'));
    const file = registry.blobFile(manifest.layers[0].digest);
    const blob = readFileSync(file);
    writeFileSync(file, Buffer.concat([blob.subarray(0, -8), Buffer.from('tampered')]));
    const error = await failure(`${registry.host}/tampered:1`);
    assert.equal(error.code, 'data_loss');
    assert.match(error.message, /digest/i);
  });

  it('bounds what an image takes before anything is unpacked', async () => {
    registry.push('bomb:1', [tarArchive([{ name: 'zeros', content: Buffer.alloc(8 << 20) }])]);
    registry.push('many:1', [tarArchive(Array.from({ length: 2000 }, (_, index) => ({ name: `f${index}` })))]);
    const reference = (name: string) => `${registry.host}/${name}`;
    assert.match(
      (await failure(reference('bomb:1'), { ...defaultLimits, maxUnpackedBytes: 1 << 20 })).message,
      /bytes/,
    );
    assert.match((await failure(reference('many:1'), { ...defaultLimits, maxEntries: 1000 })).message, /1000 files/);
    assert.equal(
      (await failure(reference('many:1'), { ...defaultLimits, maxDownloadBytes: 100 })).code,
      'resource_exhausted',
    );
  });

  it('keeps hostile layers inside their root', async (t) => {
    const victim = mkdtempSync(join(tmpdir(), 'tvm-victim-'));
    t.after(() => rmSync(victim, { recursive: true, force: true }));
    writeFileSync(join(victim, 'secret'), 'secret');
    const attacks: Record<string, Buffer[]> = {
      'absolute-symlink': [
        tarArchive([{ name: 'way', type: '2', linkName: victim }]),
        tarArchive([{ name: 'way/owned', content: 'x' }]),
      ],
      'symlink-in-one-layer': [
        tarArchive([
          { name: 'way', type: '2', linkName: `../../../../../..${victim}` },
          { name: 'way/owned', content: 'x' },
        ]),
      ],
      'dot-dot-name': [tarArchive([{ name: `../../../../../../../..${victim}/owned`, content: 'x' }])],
      'absolute-name': [tarArchive([{ name: `${victim}/owned`, content: 'x' }])],
      'hard-link': [
        tarArchive([
          { name: 'link', type: '1', linkName: `../../../../../../../..${victim}/secret` },
          { name: 'link', content: 'x' },
        ]),
      ],
      'whiteout-through-symlink': [
        tarArchive([{ name: 'way', type: '2', linkName: victim }]),
        tarArchive([{ name: 'way/.wh.secret' }]),
      ],
      'whiteout-of-parent': [tarArchive([{ name: 'd/', type: '5' }, { name: 'd/.wh...' }, { name: '.wh...' }])],
      'root-is-a-symlink': [
        tarArchive([{ name: '.', type: '2', linkName: victim }]),
        tarArchive([{ name: 'owned', content: 'x' }]),
      ],
      'device-node': [tarArchive([{ name: 'disk', type: '3', device: { major: 254, minor: 0 }, mode: 0o666 }])],
    };
    for (const [name, layers] of Object.entries(attacks)) {
      registry.push(`${name}:1`, layers);
      const outcome = await pull(`${registry.host}/${name}:1`).then(
        () => 'contained',
        (error: TvmError) => error.code,
      );
      assert.match(outcome, /^(contained|data_loss)$/, name);
      assert.deepEqual(readdirSync(victim), ['secret'], name);
      assert.equal(readFileSync(join(victim, 'secret'), 'utf8'), 'secret', name);
      assert.deepEqual(halfMade(), [], name);
      assert.ok(existsSync(join(cacheDir, 'locks')), name);
    }
  });

  it('leaves nothing behind when canceled', async () => {
    registry.push('demo:four', [plainLayer]);
    const cancel = new AbortController();
    const pulling = pull(`${registry.host}/demo:four`, defaultLimits, cancel.signal);
    setImmediate(() => cancel.abort());
    await assert.rejects(pulling, (error: TvmError) => error.code === 'canceled');
    assert.deepEqual(
      readdirSync(cacheDir).filter((name) => name === 'images'),
      [],
    );
  });
});
