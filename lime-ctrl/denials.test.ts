import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { type KubeClient, secrets } from '@tvm/kit/kube/client.ts';
import { makeMemoryKube } from '@tvm/kit/kube/memory-client.ts';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import { noteDenials } from './denials.ts';

test('a right that is missing is told for as long as it is missed', async () => {
  const [kube, clock] = [makeMemoryKube(), makeManualClock()];
  const refuse = (what: string) => new TvmError('permission_denied', `cannot ${what}`);
  const refusing: KubeClient = {
    ...kube,
    get: () => Promise.reject(refuse('get secrets')),
    // biome-ignore lint/correctness/useYield: it ends before it gives anything
    async *watch() {
      throw refuse('watch secrets');
    },
  };
  const { client, trouble } = noteDenials(refusing, clock);
  assert.equal(trouble(), undefined);
  await client.create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's', namespace: 'n' } });
  assert.equal((await client.list(secrets)).items.length, 1);
  await assert.rejects(client.get(secrets, 'n', 's'), { code: 'permission_denied' });
  const options = { resourceVersion: '1', timeoutSeconds: 1, signal: new AbortController().signal };
  await assert.rejects(
    (async () => {
      for await (const _ of client.watch(secrets, options));
    })(),
    { code: 'permission_denied' },
  );
  await assert.rejects(client.delete(secrets, 'n', 'other'), { code: 'not_found' });
  assert.match(trouble() ?? '', /apply the roles in deploy\/: cannot get secrets; cannot watch secrets$/);
  await clock.advance(200_000);
  assert.equal(trouble(), undefined);
});
