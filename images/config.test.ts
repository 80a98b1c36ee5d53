import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { TvmError } from '@tvm/api/errors.ts';
import { readImageSettings } from './config.ts';

const mib = 1024 * 1024;

it('reads what the node’s owner says of images, with defaults', () => {
  const { limits, cacheBytes, registries } = readImageSettings({});
  assert.deepEqual(
    [limits.maxUnpackedBytes, limits.maxDownloadBytes, cacheBytes],
    [16_384 * mib, 8192 * mib, 20_480 * mib],
  );
  assert.deepEqual(registries, { mirrors: {}, insecure: [] });
  const small = readImageSettings({ TVM_IMAGE_MAX_MIB: '100', TVM_IMAGE_CACHE_MIB: '0' });
  assert.deepEqual([small.limits.maxDownloadBytes, small.cacheBytes], [100 * mib, 0]);
});

it('names the variable that it cannot use', () => {
  const rows = {
    TVM_IMAGE_MAX_MIB: '0',
    TVM_IMAGE_CACHE_MIB: '-1',
    TVM_REGISTRY_MIRRORS: 'x',
    TVM_INSECURE_REGISTRIES: 'a/b',
  };
  for (const [name, value] of Object.entries(rows)) {
    assert.throws(
      () => readImageSettings({ [name]: value }),
      (error: TvmError) => error.code === 'invalid_argument' && error.message.includes(name),
    );
  }
});
