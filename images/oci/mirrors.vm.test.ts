// Mirrors and registries without certificates, as the node's owner sets them, before real registries.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { TvmError } from '@tvm/api/errors.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { readImageSettings } from '../config.ts';
import { makeImageStore } from '../store.ts';
import { freePort, startRegistry, type TestRegistry } from '../testing/registry.ts';
import { tarArchive } from '../testing/tar-archive.ts';

let registry: TestRegistry;
let folder: string;
before(async () => {
  registry = await startRegistry();
  folder = mkdtempSync(join(tmpdir(), 'tvm-mirrors-'));
});
after(async () => {
  await registry?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const layer = tarArchive([{ name: 'file', content: 'x' }]);
const secure = { TVM_INSECURE_REGISTRIES: '' };
const insecure = { TVM_INSECURE_REGISTRIES: '127.0.0.1' };

async function pull(reference: string, env: Record<string, string>) {
  const cacheDir = mkdtempSync(join(folder, 'cache-'));
  const store = makeImageStore({ cacheDir, log: makeLogger('test', 'silent'), settings: readImageSettings(env) });
  return await store.ensure(reference, () => {});
}

test('a mirror is asked in the place of a registry, the next one when it has nothing, for tags and for digests', async () => {
  const digest = registry.push('hub/app:1', [layer]);
  const mirrors = `registry.invalid=127.0.0.1:${await freePort()},registry.invalid=${registry.host}/hub`;
  for (const name of ['registry.invalid/app:1', `registry.invalid/app@${digest}`]) {
    const image = await pull(name, { ...insecure, TVM_REGISTRY_MIRRORS: mirrors });
    assert.deepEqual([image.reference, image.digest], [name, digest]);
  }
});

test('what no mirror has is asked of the registry itself, and its words are told', async () => {
  registry.push('own:1', [layer]);
  const mirrors = { ...insecure, TVM_REGISTRY_MIRRORS: `${registry.host}=${registry.host}/nothing` };
  assert.equal((await pull(`${registry.host}/own:1`, mirrors)).reference, `${registry.host}/own:1`);
  await assert.rejects(pull(`${registry.host}/absent:1`, mirrors), (error: TvmError) => error.code === 'not_found');
});

test('no registry and no mirror is used without TLS unless it is named, on this host neither', async () => {
  registry.push('plain:1', [layer]);
  const rows: [string, Record<string, string>][] = [
    [`${registry.host}/plain:1`, secure],
    [`${registry.host}/plain:1`, { TVM_INSECURE_REGISTRIES: '127.0.0.1:1' }],
    ['registry.invalid/plain:1', { ...secure, TVM_REGISTRY_MIRRORS: `registry.invalid=${registry.host}` }],
  ];
  for (const [reference, env] of rows) {
    await assert.rejects(pull(reference, env), (error: TvmError) => error.code === 'unavailable');
  }
  await assert.rejects(pull(`${registry.host}/plain:1`, secure), (error: TvmError) => {
    assert.match(`${error.message} ${error.hint}`, /HTTPS.*TVM_INSECURE_REGISTRIES/s);
    return true;
  });
});
