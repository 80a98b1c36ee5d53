// A registry that asks who one is: what opens its images, to whom the cache gives them, and where the credentials are not.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { TvmError } from '@tvm/api/errors.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { readImageSettings } from '../config.ts';
import type { ImageAccess, ImageStore } from '../contract.ts';
import { makeImageStore } from '../store.ts';
import { configWith, startRegistry, type TestRegistry, testUser } from '../testing/registry.ts';
import { tarArchive } from '../testing/tar-archive.ts';

let registry: TestRegistry;
let cacheDir: string;
let store: ImageStore;
let image: string;

before(async () => {
  registry = await startRegistry({ auth: true });
  cacheDir = mkdtempSync(join(tmpdir(), 'tvm-credentials-'));
  store = newStore();
  image = `${registry.host}/private:1`;
  registry.push('private:1', [tarArchive([{ name: 'secret', content: 'of alice' }])]);
});
after(async () => {
  await registry?.[Symbol.asyncDispose]();
  rmSync(cacheDir, { recursive: true, force: true });
});

function newStore(): ImageStore {
  const settings = readImageSettings({ TVM_INSECURE_REGISTRIES: '127.0.0.1' });
  return makeImageStore({ cacheDir, log: makeLogger('test', 'silent'), settings });
}

const alice = (): ImageAccess => ({ credentials: [configWith(registry.host)] });
const mallory = (): ImageAccess => ({
  credentials: [configWith(registry.host, { name: 'mallory', password: 'guess' })],
});
const ensure = (access: ImageAccess, from = store) => from.ensure(image, () => {}, undefined, access);

async function refusal(access: ImageAccess, from = store): Promise<TvmError> {
  return await ensure(access, from).then(
    () => assert.fail('the image was given'),
    (error: TvmError) => error,
  );
}

/** Arguments of all programs of this host, read again and again until the work is done. */
async function argumentsDuring(work: Promise<unknown>): Promise<string> {
  const seen = new Set<string>();
  const timer = setInterval(() => {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        seen.add(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
      } catch {}
    }
  }, 5);
  await work.finally(() => clearInterval(timer));
  return [...seen].join('\n');
}

test('is not pulled without credentials, nor with wrong ones', async () => {
  for (const access of [{}, mallory()]) {
    const error = await refusal(access);
    assert.deepEqual([error.code, error.reason], ['permission_denied', 'ImagePullFailed']);
    assert.match(error.hint ?? '', /imagePullSecrets/);
    assert.doesNotMatch(JSON.stringify([error.message, error.hint, error.cause]), /guess/);
  }
});

test('is pulled with credentials, the second too, which are in no argument and no file', async () => {
  const access = { credentials: [...(mallory().credentials ?? []), ...(alice().credentials ?? [])] };
  const seen = await argumentsDuring(ensure(access));
  assert.match(seen, /skopeo.*authfile/s);
  const secrets = [testUser.password, Buffer.from(`${testUser.name}:${testUser.password}`).toString('base64')];
  for (const secret of secrets) {
    assert.ok(!seen.includes(secret));
    assert.equal(spawnSync('grep', ['-rqF', secret, cacheDir, '/dev/shm']).status, 1);
  }
  assert.deepEqual(
    readdirSync('/dev/shm').filter((name) => name.startsWith('.tvm-')),
    [],
  );
});

test('is given from the cache only to whoever the registry lets in', async () => {
  assert.equal((await ensure(alice())).restricted, true);
  for (const access of [{}, mallory()]) {
    const error = await refusal(access);
    assert.deepEqual([error.code, error.reason], ['permission_denied', 'ImageAccessDenied']);
  }
  assert.equal((await ensure({ granted: true })).reference, image);
  const both = await Promise.allSettled([ensure(alice(), newStore()), ensure({}, newStore())]);
  assert.deepEqual(
    both.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  );
});

test('at once asked for by two, is given to the one who may have it', async () => {
  await store.remove(image);
  const fresh = newStore();
  const both = await Promise.allSettled([ensure(alice(), fresh), ensure(mallory(), fresh), ensure({}, fresh)]);
  assert.deepEqual(
    both.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected'],
  );
});

test('is refused when the registry cannot be asked, but to those it has just let in', async () => {
  await ensure(alice());
  await registry[Symbol.asyncDispose]();
  assert.equal((await ensure(alice())).reference, image);
  assert.equal((await refusal(mallory())).code, 'unavailable');
  assert.equal((await refusal(alice(), newStore())).code, 'unavailable');
});
