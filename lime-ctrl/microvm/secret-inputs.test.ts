import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import { readSecretInputs } from './secret-inputs.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const stored: Record<string, { type?: string; data: Record<string, string> }> = {
  env: { data: { TOKEN: base64('sesame') } },
  pull: { type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': base64('{"auths":{}}') } },
  opaque: { type: 'Opaque', data: { '.dockerconfigjson': base64('{"auths":{}}') } },
  empty: { type: 'kubernetes.io/dockerconfigjson', data: {} },
};

const client = {
  async get(_: unknown, namespace: string, name: string) {
    assert.equal(namespace, 'team');
    if (name === 'forbidden') throw new TvmError('permission_denied', 'no');
    if (!stored[name]) throw new TvmError('not_found', 'no');
    return stored[name];
  },
} as never;

const read = (spec: object) =>
  readSecretInputs(client, { metadata: { name: 'a', namespace: 'team' }, spec } as unknown as MicroVm);

test('environment and credentials come from the Secrets of the namespace', async () => {
  const inputs = await read({ envFrom: [{ secretRef: { name: 'env' } }], imagePullSecrets: [{ name: 'pull' }] });
  assert.deepEqual(inputs, { env: { TOKEN: 'sesame' }, registryCredentials: ['{"auths":{}}'], missing: [] });
});

test('what is missing, of another type or not to be read is told by its name', async () => {
  const imagePullSecrets = ['absent', 'opaque', 'empty', 'forbidden'].map((name) => ({ name }));
  const { missing, registryCredentials } = await read({
    envFrom: [{ secretRef: { name: 'gone', optional: true } }, { secretRef: { name: 'lost' } }],
    imagePullSecrets,
  });
  assert.deepEqual(registryCredentials, []);
  assert.deepEqual(missing, [
    'lost',
    'absent',
    'opaque (it is not of type kubernetes.io/dockerconfigjson)',
    'empty (it is not of type kubernetes.io/dockerconfigjson)',
    'forbidden (lime-ctrl may not read it)',
  ]);
});
