// Layers and registries made by hand to do harm, each with what stops it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { TvmError } from '@tvm/api/errors.ts';
import { makeCache } from '../cache.ts';
import type { RootImage } from '../contract.ts';
import { parseReference } from '../reference.ts';
import { makeRootCatalog } from '../root-catalog.ts';
import { startRegistry, type TestRegistry } from '../testing/registry.ts';
import { paxHeader, type TarEntry, tarArchive } from '../testing/tar-archive.ts';
import { runConfined } from './confined.ts';
import { defaultLimits, type OciLimits } from './limits.ts';
import { makeOciRoots } from './oci-root.ts';

let folder: string;
let registry: TestRegistry;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tvm-hostile-'));
  registry = await startRegistry();
});
after(async () => {
  await registry?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function pull(reference: string, limits: Partial<OciLimits> = {}): Promise<RootImage> {
  const cache = makeCache(join(folder, 'cache'));
  const registries = { mirrors: {}, insecure: ['127.0.0.1'] };
  const catalog = makeRootCatalog(cache);
  const roots = makeOciRoots({ cache, catalog, limits: { ...defaultLimits, ...limits }, registries });
  const { normalised } = parseReference(reference);
  return await roots.ensure(normalised, () => {}, new AbortController().signal, {});
}

let pushed = 0;
async function pullLayers(layers: TarEntry[][], limits: Partial<OciLimits> = {}): Promise<RootImage> {
  pushed += 1;
  registry.push(`hostile:${pushed}`, layers.map(tarArchive));
  try {
    return await pull(`${registry.host}/hostile:${pushed}`, limits);
  } finally {
    const staging = join(folder, 'cache/staging');
    assert.deepEqual(existsSync(staging) ? readdirSync(staging) : [], []);
  }
}

async function codeOf(pulling: Promise<RootImage>): Promise<string> {
  return await pulling.then(
    () => '',
    (thrown) => TvmError.from(thrown).code,
  );
}

const unsquash = (image: RootImage, ...args: string[]) => spawnSync('unsquashfs', [...args, image.path]).stdout;
const listing = (image: RootImage) => unsquash(image, '-lln', '-d', '').toString('latin1');

describe('hostile layers', () => {
  it('are bounded in what they unpack to, before they are unpacked, over all layers together', async () => {
    const zeros: TarEntry = { name: 'zeros', content: Buffer.alloc(48 << 20) };
    assert.ok(gzipSync(Buffer.alloc(48 << 20)).length < 64 * 1024, 'a bomb: it is a thousandth of that to download');
    assert.equal(await codeOf(pullLayers([[zeros]], { maxUnpackedBytes: 32 << 20 })), 'resource_exhausted');
    const half = (name: string): TarEntry[] => [{ name, content: Buffer.alloc(20 << 20) }];
    assert.equal(
      await codeOf(pullLayers([half('a'), half('b')], { maxUnpackedBytes: 32 << 20 })),
      'resource_exhausted',
    );
    const many = (from: number) => Array.from({ length: 600 }, (_, index) => ({ name: `${from + index}` }));
    assert.equal(await codeOf(pullLayers([many(0), many(600)], { maxEntries: 1000 })), 'resource_exhausted');
    assert.equal(await codeOf(pullLayers([many(0)], { unpackTimeoutMs: 1 })), 'deadline_exceeded');
  });

  it('cannot claim more than they hold: sparse files, sizes that do not agree', async () => {
    const sparse = [paxHeader({ 'GNU.sparse.major': '1', 'GNU.sparse.realsize': '9'.repeat(12) }), { name: 'sparse' }];
    for (const layer of [
      sparse,
      [{ name: 'sparse', type: 'S' }],
      [paxHeader({ size: '0' }), { name: 'a', content: 'x' }],
    ]) {
      assert.equal(await codeOf(pullLayers([layer])), 'data_loss');
    }
  });

  it('may have names that are no text, and as long as names can be', async () => {
    const strange = Buffer.from([0x66, 0xff, 0xfe, 0x0a, 0x1b]);
    const long = 'n'.repeat(255);
    const image = await pullLayers([
      [{ name: strange, content: 'a' }, paxHeader({ path: long }), { name: 'x', content: 'b' }],
    ]);
    const names = unsquash(image, '-l', '-d', '').toString('latin1');
    assert.ok(names.includes(strange.toString('latin1')) && names.includes(long));
    assert.equal(await codeOf(pullLayers([[paxHeader({ path: `${long}n` }), { name: 'x' }]])), 'data_loss');
  });

  it('take away what is below them with whiteouts, opaque ones too, and nothing else', async () => {
    const below = [
      { name: 'keep/', type: '5' },
      { name: 'keep/a', content: 'a' },
      { name: 'swept/', type: '5' },
      { name: 'swept/old', content: 'old' },
      { name: 'gone', content: 'gone' },
    ];
    const above = [
      { name: 'swept/', type: '5' },
      { name: 'swept/new', content: 'new' },
      { name: 'swept/.wh..wh..opq' },
      { name: '.wh.gone' },
      { name: '.wh.never-there' },
    ];
    const names = unsquash(await pullLayers([below, above]), '-l', '-d', '')
      .toString()
      .split('\n')
      .filter(Boolean);
    assert.deepEqual(names.sort(), ['/keep', '/keep/a', '/swept', '/swept/new']);
  });

  it('keep setuid, owners, devices and pipes for the guest; on the host nothing of them is left', async () => {
    const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');
    const image = await pullLayers([
      [
        { name: 'su', content: 'x', mode: 0o4755 },
        { name: 'disk', type: '3', device: { major: 8, minor: 0 }, mode: 0o666 },
        { name: 'pipe', type: '6' },
        paxHeader({ 'SCHILY.xattr.security.capability': capability, 'SCHILY.xattr.user.note': 'hello' }),
        { name: 'ping', content: 'x', mode: 0o755 },
      ],
    ]);
    assert.match(listing(image), /^-rwsr-xr-x 0\/0 .*\/su$/m);
    assert.match(listing(image), /^crw-rw-rw- 0\/0 +8, +0 .*\/disk$/m);
    assert.match(listing(image), /^prw-r--r-- .*\/pipe$/m);
    const devices = ['/cache', ''].flatMap((part) =>
      readdirSync(`${folder}${part}`, { recursive: true, encoding: 'utf8' }),
    );
    assert.ok(!devices.some((name) => /(^|\/)(su|disk|ping)$/.test(name)));
  });

  it('reach nothing outside by any link, in one layer or over several', async () => {
    const victim = join(folder, 'victim');
    mkdirSync(victim);
    writeFileSync(join(victim, 'secret'), 'secret', { mode: 0o600 });
    const up = `../../../../../../../../..${victim}`;
    const attacks: TarEntry[][][] = [
      [[{ name: 'way', type: '2', linkName: victim }], [{ name: 'way/owned', content: 'x' }]],
      [
        [
          { name: 'a', type: '2', linkName: up },
          { name: 'b', type: '2', linkName: 'a' },
        ],
        [{ name: 'b/owned', content: 'x' }],
      ],
      [
        [
          { name: 'way', type: '2', linkName: '/proc/self/root' },
          { name: `way${victim}/owned`, content: 'x' },
        ],
      ],
      [
        [
          { name: 'loop', type: '2', linkName: 'loop' },
          { name: 'loop/owned', content: 'x' },
        ],
      ],
      [
        [
          { name: 'link', type: '1', linkName: `${up}/secret` },
          { name: 'link', content: 'x' },
        ],
      ],
      [
        [
          { name: 'way', type: '2', linkName: victim },
          { name: 'link', type: '1', linkName: 'way/secret' },
        ],
      ],
      [[{ name: 'way', type: '2', linkName: victim }], [{ name: 'way/.wh..wh..opq' }]],
      [[{ name: 'way', type: '2', linkName: victim }], [{ name: 'way/', type: '5', mode: 0o777 }]],
    ];
    for (const [index, layers] of attacks.entries()) {
      const code = await codeOf(pullLayers(layers));
      assert.match(code, /^(data_loss)?$/, `attack ${index}`);
      assert.deepEqual(readdirSync(victim), ['secret'], `attack ${index}`);
      assert.equal(readFileSync(join(victim, 'secret'), 'utf8'), 'secret', `attack ${index}`);
    }
  });
});

test('the program that unpacks sees one folder it may write, no network, and has few rights', async () => {
  const own = join(folder, 'own');
  mkdirSync(own);
  const script = `echo in > /unpack/file; touch /usr/x 2>&1; ls / ; ls /etc ${folder} 2>&1
    cat /proc/net/dev; grep -E 'NoNewPrivs|CapEff' /proc/self/status; mount -t tmpfs t /unpack 2>&1; true`;
  const { stdout, exitCode } = await runConfined({
    program: 'sh',
    args: () => ['-c', script],
    folder: own,
    timeoutMs: 10_000,
    signal: new AbortController().signal,
  });
  const seen = stdout.toString();
  assert.equal(exitCode, 0, seen);
  assert.equal(readFileSync(join(own, 'file'), 'utf8'), 'in\n');
  assert.match(seen, /cannot touch '\/usr\/x': Read-only file system/);
  assert.match(seen, /cannot access '\/etc'/);
  assert.ok(seen.includes(`cannot access '${folder}'`));
  assert.deepEqual(
    seen.match(/^ *\w+(?=: +\d)/gm)?.map((name) => name.trim()),
    ['lo'],
  );
  assert.match(seen, /NoNewPrivs:\t1/);
  assert.match(seen, /CapEff:\t000000008800001b/);
  assert.match(seen, /permission denied|must be superuser|not permitted/i);
});

describe('a registry that lies', () => {
  let server: Server;
  let host: string;
  let manifests: Record<string, string>;
  before(async () => {
    server = createServer((request, response) => {
      const name =
        decodeURIComponent(request.url ?? '')
          .split('/')
          .at(-1) ?? '';
      const body = request.url === '/v2/' ? '{}' : manifests[name];
      response.statusCode = body === undefined ? 404 : 200;
      response.setHeader('Content-Type', 'application/vnd.oci.image.manifest.v1+json');
      response.end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => server.close());

  const sha256 = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
  const blob = (text: string, size = text.length) => ({ mediaType: 'm', digest: sha256(text), size });
  const manifestOf = (config: object, layers: object[]) =>
    JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config, layers });

  it('cannot answer a digest with another manifest', async () => {
    const wanted = sha256('the one that was asked for');
    manifests = { [wanted]: manifestOf(blob('{}'), []) };
    assert.match(await codeOf(pull(`${host}/x@${wanted}`)), /^(data_loss|unavailable)$/);
  });

  it('cannot answer with another configuration than the manifest names', async () => {
    const manifest = manifestOf(blob('{"right":1}'), []);
    manifests = { '1': manifest, [sha256(manifest)]: manifest, [sha256('{"right":1}')]: '{"wrong":1}' };
    assert.match(await codeOf(pull(`${host}/x:1`)), /^(data_loss|unavailable)$/);
  });

  it('cannot have this host read a configuration of any size, nor layers without end', async () => {
    manifests = { '1': manifestOf(blob('{}', 1e9), []) };
    assert.equal(await codeOf(pull(`${host}/x:1`)), 'resource_exhausted');
    manifests = {
      '1': manifestOf(
        blob('{}'),
        Array.from({ length: 300 }, () => blob('x')),
      ),
    };
    assert.equal(await codeOf(pull(`${host}/x:1`)), 'resource_exhausted');
  });
});
