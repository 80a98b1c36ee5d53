// Runs and pools with limits, and with images of private registries: who gets which of the machines that wait.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TvmError } from '@tvm/api/errors.ts';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import type { MicroVmPool } from '@tvm/api/kinds/microvm-pool.ts';
import { type ExecuteRequest, executeRequest } from '@tvm/api/rest/execute.ts';
import { microVmPools, secrets } from '@tvm/kit/kube/client.ts';
import { eventually, type Harness, startHarness } from '../testing/harness.ts';
import type { StartedMachine } from './engine.ts';

async function run(
  { engine }: Harness,
  request: Partial<ExecuteRequest>,
  namespace = 'default',
): Promise<StartedMachine> {
  const signal = AbortSignal.timeout(30_000);
  let machine: StartedMachine | undefined;
  const checked = executeRequest.parse({ code: 'print x', memory: 128, ...request });
  for await (const event of engine.execute(checked, { namespace, signal })) {
    if (event.type === 'started') machine = event.machine;
  }
  assert.ok(machine);
  return machine;
}

async function startPool(harness: Harness, machine: Partial<MicroVmPool['spec']['template']['spec']>): Promise<void> {
  const spec = { image: 'tvm/python', cpu: 1, memory: 128, ...machine };
  await harness.kube.create(microVmPools, {
    apiVersion,
    kind: 'MicroVMPool',
    metadata: { name: 'pool', namespace: 'default' },
    spec: { minReady: 1, maxReady: 1, template: { spec } },
  });
  await untilWaits(harness);
}

const untilWaits = ({ kube }: Harness) =>
  eventually(async () => (await kube.get(microVmPools, 'default', 'pool')).status?.ready === 1);

const dockerConfig = '{"auths":{"ghcr.io":{"auth":"c2VjcmV0"}}}';

async function createSecret({ kube }: Harness, name: string, namespace = 'default'): Promise<void> {
  await kube.create(secrets, {
    ...{ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace } },
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': Buffer.from(dockerConfig).toString('base64') },
  });
}

test('limits reach the machine, and machines that wait are for those who ask for the same', async () => {
  await using harness = await startHarness();
  await startPool(harness, { limits: { cpuPercent: 50 } });
  const [waiting] = harness.flintlock.machines.values();
  assert.equal(waiting?.spec?.limits?.cpuPercent, 50);
  for (const limits of [undefined, { cpuPercent: 51 }, { cpuPercent: 50, processes: 9 }]) {
    const other = await run(harness, limits ? { limits } : {});
    assert.notEqual(other.id, waiting?.uid);
    assert.equal(other.warm, false);
  }
  const own = await run(harness, { limits: { cpuPercent: 50 } });
  assert.deepEqual([own.id, own.warm], [waiting?.uid, true]);
});

test('a limit of the network needs one', () => {
  const limits = { networkBytesPerSecond: 65_536 };
  for (const network of [undefined, { egress: 'none' as const }]) {
    const checked = executeRequest.safeParse({ code: '', limits, ...(network && { network }) });
    assert.match(checked.error?.issues[0]?.message ?? '', /needs a network/);
  }
  assert.ok(executeRequest.safeParse({ code: '', limits, network: { egress: 'open' } }).success);
});

test('a private image: credentials go with the call, and nowhere else', async () => {
  await using harness = await startHarness();
  const imagePullSecrets = [{ name: 'pull' }];
  const missing = await run(harness, { imagePullSecrets }).then(
    () => assert.fail('it ran without credentials'),
    (error: TvmError) => error,
  );
  assert.deepEqual([missing.code, missing.reason], ['failed_precondition', 'SecretNotFound']);
  assert.match(missing.message, /pull in default/);
  await createSecret(harness, 'pull');
  const { id } = await run(harness, { imagePullSecrets });
  assert.deepEqual(harness.flintlock.credentials.get(id), [dockerConfig]);
  assert.doesNotMatch(JSON.stringify(harness.pool.view()), /auths/);
});

test('what waits with a private image is for the namespace whose Secret let it in, and for who names that', async () => {
  await using harness = await startHarness();
  await createSecret(harness, 'pull');
  await createSecret(harness, 'other');
  await createSecret(harness, 'pull', 'mallory');
  await startPool(harness, { image: 'ghcr.io/me/private', imagePullSecrets: [{ name: 'pull' }] });
  const [waiting] = harness.flintlock.machines.values();
  const image = 'ghcr.io/me/private';
  const named = (...names: string[]) => ({ image, imagePullSecrets: names.map((name) => ({ name })) });
  const strangers = [
    await run(harness, { image }),
    await run(harness, { image }, 'mallory'),
    await run(harness, named('pull'), 'mallory'),
    await run(harness, named('other')),
  ];
  for (const { id, warm } of strangers) assert.deepEqual([id === waiting?.uid, warm], [false, false]);
  assert.deepEqual(harness.flintlock.credentials.get(strangers[0]?.id ?? ''), []);
  const own = await run(harness, named('pull'));
  assert.deepEqual([own.id, own.warm], [waiting?.uid, true]);
});

test('a run with credentials keeps nothing waiting, and a replica that takes over knows whose a machine is', async () => {
  await using harness = await startHarness();
  await createSecret(harness, 'pull');
  await startPool(harness, { image: 'private', imagePullSecrets: [{ name: 'pull' }] });
  await run(harness, { image: 'private/other', imagePullSecrets: [{ name: 'pull' }] });
  assert.ok(harness.pool.view().every(({ image }) => image === 'private'));
  await untilWaits(harness);
  await using second = await startHarness({ flintlock: harness.flintlock, kube: harness.kube });
  await eventually(() => second.pool.view().some(({ waiting }) => waiting === 1));
  assert.equal((await run(second, { image: 'private' })).warm, false);
});
