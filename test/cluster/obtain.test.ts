import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { kubernetesVersion, programs } from './build.ts';
import { fetchesToolchains } from './go-toolchain.ts';
import { cacheName, obtainKubernetes } from './obtain.ts';
import { outputOf } from './run-command.ts';

let folder = '';
const said: string[] = [];
const say = (line: string) => void said.push(line);

describe('programs of Kubernetes', () => {
  beforeEach(async () => {
    said.length = 0;
    folder = await mkdtemp(join(tmpdir(), 'tvm-obtain-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** A folder of scripts that say which version they are. */
  async function makeBin(version: string, names: readonly string[] = programs): Promise<string> {
    const bin = join(folder, 'made', 'bin');
    await mkdir(bin, { recursive: true });
    for (const name of names)
      await writeFile(join(bin, name), `#!/bin/sh\necho Kubernetes v${version}\n`, { mode: 0o755 });
    return bin;
  }

  async function makeArchive(version: string): Promise<string> {
    const archive = join(folder, 'archive.tar.gz');
    await makeBin(version);
    await outputOf('tar', ['-czf', archive, '-C', join(folder, 'made'), 'bin']);
    return archive;
  }

  const source = (more: object) => ({
    cacheFolder: join(folder, 'cache'),
    kubernetesBin: undefined,
    kubernetesArchive: undefined,
    neighbourArchive: join(folder, 'none.tar.gz'),
    ...more,
  });

  test('a named folder is used as it is', async () => {
    const kubernetesBin = await makeBin(kubernetesVersion);
    assert.equal(await obtainKubernetes(source({ kubernetesBin }), say), kubernetesBin);
    assert.deepEqual(said, []);
  });

  test('a named folder that lacks a program or has another version is refused', async () => {
    const partial = await makeBin(kubernetesVersion, ['etcd', 'kube-apiserver']);
    await assert.rejects(
      obtainKubernetes(source({ kubernetesBin: partial }), say),
      (error) => error instanceof TvmError && /has no kube-controller-manager/.test(error.message),
    );
    const other = await makeBin('1.2.3');
    await assert.rejects(
      obtainKubernetes(source({ kubernetesBin: other }), say),
      /holds Kubernetes v1\.2\.3, the tests need/,
    );
  });

  test('an archive beside the checkout is unpacked into the cache, once', async () => {
    const archive = await makeArchive(kubernetesVersion);
    const from = source({ neighbourArchive: archive });
    const bin = await obtainKubernetes(from, say);
    assert.deepEqual((await readdir(bin)).toSorted(), [...programs].toSorted());
    assert.deepEqual(said, [`unpacking ${archive}`]);
    assert.equal(await obtainKubernetes(from, say), bin);
    assert.equal(said.length, 1);
  });

  test('an archive of another version, or a broken one, leaves no trace in the cache', async () => {
    const other = await makeArchive('1.2.3');
    await assert.rejects(obtainKubernetes(source({ kubernetesArchive: other }), say), /holds Kubernetes v1\.2\.3/);
    const broken = join(folder, 'broken.tar.gz');
    await writeFile(broken, 'no archive');
    await assert.rejects(obtainKubernetes(source({ kubernetesArchive: broken }), say), /tar .*: exit/);
    assert.deepEqual(await readdir(join(folder, 'cache', 'kubernetes')), []);
  });

  test('an archive with a program that does not work is refused', async () => {
    const bin = await makeBin(kubernetesVersion);
    await writeFile(join(bin, 'kwok'), '#!/bin/sh\necho broken >&2\nexit 1\n', { mode: 0o755 });
    const kubernetesArchive = join(folder, 'half.tar.gz');
    await outputOf('tar', ['-czf', kubernetesArchive, '-C', join(folder, 'made'), 'bin']);
    await assert.rejects(obtainKubernetes(source({ kubernetesArchive }), say), /kwok --version: exit 1/);
  });

  test('a named archive that is not there is an error, not a build', async () => {
    const kubernetesArchive = join(folder, 'missing.tar.gz');
    await assert.rejects(
      obtainKubernetes(source({ kubernetesArchive }), say),
      (error) => error instanceof TvmError && error.code === 'not_found',
    );
  });

  test('what an older checkout left, with fewer programs, is replaced', async () => {
    const kubernetesArchive = await makeArchive(kubernetesVersion);
    const from = source({ kubernetesArchive });
    const bin = await obtainKubernetes(from, say);
    await rm(join(bin, 'kubelet'));
    assert.equal(await obtainKubernetes(from, say), bin);
    assert.deepEqual((await readdir(bin)).toSorted(), [...programs].toSorted());
  });

  test('several at once fill the cache together', async () => {
    const archive = await makeArchive(kubernetesVersion);
    const from = source({ kubernetesArchive: archive });
    const bins = await Promise.all(Array.from({ length: 4 }, () => obtainKubernetes(from, say)));
    assert.equal(new Set(bins).size, 1);
    assert.deepEqual(await readdir(join(folder, 'cache', 'kubernetes')), [cacheName]);
  });

  test('go commands before 1.21 need help to get a toolchain', () => {
    assert.equal(fetchesToolchains('go version go1.19.8 linux/amd64'), false);
    assert.equal(fetchesToolchains('go version go1.20 linux/amd64'), false);
    assert.equal(fetchesToolchains('go version go1.21.0 linux/amd64'), true);
    assert.equal(fetchesToolchains('go version go1.26.8 linux/amd64'), true);
    assert.equal(fetchesToolchains('go version devel'), false);
  });
});
