// Images built on this host, from everything that one can be built from.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { TvmError } from '@tvm/api/errors.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { readImageSettings } from '../config.ts';
import type { BuildRequest, ImageStore, RootImage } from '../contract.ts';
import { makeImageStore } from '../store.ts';

let folder: string;
let root: string;
let store: ImageStore;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'tvm-build-'));
  root = join(folder, 'root');
  mkdirSync(join(root, 'bin'), { recursive: true });
  writeFileSync(join(root, 'bin/hello'), 'hello\n');
  chmodSync(join(root, 'bin/hello'), 0o4755);
  symlinkSync('/etc/passwd', join(root, 'link'));
  const settings = readImageSettings({ TVM_IMAGE_MAX_MIB: '64' });
  store = makeImageStore({ cacheDir: join(folder, 'cache'), log: makeLogger('test', 'silent'), settings });
});
after(() => rmSync(folder, { recursive: true, force: true }));

const build = (request: Omit<BuildRequest, 'name'> & { name?: string }) =>
  store.build({ name: 'demo', ...request }, () => {});

function contentOf({ path }: RootImage): string {
  return spawnSync('unsquashfs', ['-cat', path, 'bin/hello'], { encoding: 'utf8' }).stdout;
}

const tar = (...args: string[]) => execFileSync('tar', [...args, '-C', root, '.']);

test('from a root filesystem, as a folder and as archives, and is what its name means', async () => {
  tar('-cf', join(folder, 'root.tar'));
  tar('-czf', join(folder, 'root.tar.gz'));
  execFileSync('zstd', ['-q', join(folder, 'root.tar'), '-o', join(folder, 'root.tar.zst')]);
  for (const source of [root, ...['tar', 'tar.gz', 'tar.zst'].map((end) => join(folder, `root.${end}`))]) {
    const image = await build({ source, config: { workdir: '/srv', env: { A: '1' }, entrypoint: ['/bin/hello'] } });
    assert.equal(image.reference, 'localhost/demo:latest', source);
    assert.equal(contentOf(image), 'hello\n', source);
    assert.deepEqual([image.config.workdir, image.config.env, image.config.cmd], ['/srv', { A: '1' }, []]);
    const listing = spawnSync('unsquashfs', ['-ll', '-d', '', image.path], { encoding: 'utf8' }).stdout;
    assert.match(listing, /-rwsr-xr-x .*\/bin\/hello/);
    assert.match(listing, /\/link -> \/etc\/passwd/);
    assert.equal((await store.ensure('localhost/demo', () => {})).digest, image.digest);
  }
});

test('other defaults make another image of the same files', async () => {
  const [one, two] = [
    await build({ source: root, config: { user: '1' } }),
    await build({ source: root, config: { user: '2' } }),
  ];
  assert.notEqual(one.digest, two.digest);
});

test('from an OCI layout and from archives of an image', async () => {
  const layout = join(folder, 'layout');
  execFileSync('umoci', ['init', '--layout', layout]);
  for (const tag of ['one', 'two']) execFileSync('umoci', ['new', '--image', `${layout}:${tag}`]);
  execFileSync('umoci', ['insert', '--image', `${layout}:one`, join(root, 'bin'), '/bin']);
  execFileSync('umoci', ['config', '--image', `${layout}:one`, '--config.user', 'me', '--config.cmd', 'x']);
  const archives = ['oci-archive', 'docker-archive'].map((transport) => {
    const file = join(folder, `${transport}.tar`);
    execFileSync('skopeo', ['--insecure-policy', 'copy', `oci:${layout}:one`, `${transport}:${file}:demo:1`]);
    return file;
  });
  for (const source of [`${layout}:one`, ...archives]) {
    const image = await build({ source });
    assert.equal(contentOf(image), 'hello\n', source);
    assert.deepEqual([image.config.user, image.config.cmd], ['me', ['x']]);
  }
  await assert.rejects(build({ source: layout }), /more than one image/);
});

test('from a Dockerfile, with buildah', { skip: spawnSync('buildah', ['--version']).status !== 0 }, async () => {
  writeFileSync(
    join(root, 'Dockerfile'),
    'FROM scratch\nCOPY bin /bin\nENV FROM=file\nUSER 1000\nENTRYPOINT ["/bin/hello"]\n',
  );
  const { config, ...image } = await build({ source: root });
  assert.equal(contentOf({ config, ...image }), 'hello\n');
  assert.deepEqual([config.env.FROM, config.user, config.entrypoint], ['file', '1000', ['/bin/hello']]);
  writeFileSync(join(root, 'Dockerfile'), 'NONSENSE\n');
  await assert.rejects(build({ source: root }), /buildah failed.*no FROM/is);
});

test('cannot have the name of a registry’s image, nor be anything', async () => {
  const codeOf = async (request: Parameters<typeof build>[0]) =>
    await build(request).then(
      () => '',
      ({ code }: TvmError) => code,
    );
  for (const name of [
    'docker.io/library/ubuntu:20.04',
    'ghcr.io/a/b',
    'tvm/python',
    `localhost/x@sha256:${'a'.repeat(64)}`,
  ]) {
    assert.equal(await codeOf({ source: root, name }), 'invalid_argument', name);
  }
  writeFileSync(join(folder, 'text'), 'no archive');
  assert.equal(await codeOf({ source: join(folder, 'text') }), 'invalid_argument');
  assert.equal(await codeOf({ source: join(folder, 'absent') }), 'not_found');
  const bomb = join(folder, 'bomb.tar.gz');
  execFileSync('sh', ['-c', `head -c 80M /dev/zero | gzip -1 > ${bomb}`]);
  assert.equal(await codeOf({ source: bomb }), 'resource_exhausted');
  const missing = store.ensure('localhost/never', () => {});
  await assert.rejects(missing, (error: TvmError) => error.code === 'not_found' && error.reason === 'ImageNotBuilt');
});
