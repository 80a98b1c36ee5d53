// Objects that were written around validation: each says what is wrong with it, none harms the others or the controllers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiVersion, type KubeObject } from '@tvm/api/kinds/meta.ts';
import { events, mcpSessions, microVmPools, microVmSnapshots, microVms, type Resource } from '@tvm/kit/kube/client.ts';
import { conditionOf } from '@tvm/kit/kube/conditions.ts';
import { eventually, type Harness, microVm, startHarness } from './testing/harness.ts';

type Conditions = { conditions?: Parameters<typeof conditionOf>[0] };

const strange: unknown[] = [undefined, null, 7, 'text', [], {}, { image: 5 }, { image: 'i', cpu: -1, memory: 'much' }];
const resources = {
  MicroVM: microVms,
  MicroVMPool: microVmPools,
  MicroVMSnapshot: microVmSnapshots,
  MCPSession: mcpSessions,
};

const make = (kind: string, name: string, spec: unknown, status?: unknown) =>
  ({
    apiVersion,
    kind,
    metadata: { name, namespace: 'default' },
    ...(spec !== undefined && { spec }),
    ...(status !== undefined && { status }),
  }) as never;

const readyOf = async ({ kube }: Harness, kind: keyof typeof resources, name: string) => {
  const object = await kube.get(resources[kind] as Resource<KubeObject<unknown, Conditions>>, 'default', name);
  return conditionOf(object.status?.conditions, 'Ready');
};

test('what means nothing is told, of every kind, and everything else goes on', async () => {
  await using harness = await startHarness();
  for (const [kind, resource] of Object.entries(resources)) {
    for (const [at, spec] of strange.entries()) {
      await harness.kube.create(resource as never, make(kind, `bad-${at}`, spec));
    }
  }
  await harness.kube.create(microVms, microVm('good'));
  await eventually(async () => (await harness.kube.get(microVms, 'default', 'good')).status?.phase === 'Running');
  for (const kind of Object.keys(resources) as (keyof typeof resources)[]) {
    // Sessions wait for an endpoint, of which a harness has none.
    if (kind === 'MCPSession') continue;
    for (const at of strange.keys()) {
      await eventually(async () => (await readyOf(harness, kind, `bad-${at}`))?.reason === 'InvalidSpec');
    }
  }
  const told = await eventually(async () => {
    const all = (await harness.kube.list(events)).items.filter(({ reason }) => reason === 'InvalidSpec');
    return all.length >= 3 * strange.length ? all : undefined;
  });
  assert.match(told.find(({ involvedObject }) => involvedObject.name === 'bad-7')?.message ?? '', /cpu|memory/);
  assert.equal(harness.flintlock.machines.size, 1);
  await harness.kube.delete(microVms, 'default', 'good');
  await eventually(() => harness.flintlock.machines.size === 0);
});

test('it is told once, and its spec is left as it was, also by its deletion', async () => {
  await using harness = await startHarness();
  const spec = { image: 5, note: 'mine' };
  await harness.kube.create(microVms, make('MicroVM', 'bad', spec));
  await eventually(async () => (await readyOf(harness, 'MicroVM', 'bad'))?.reason === 'InvalidSpec');
  await harness.kube.patch(microVms, 'default', 'bad', { metadata: { finalizers: ['vvm.tvm.github.com/machine'] } });
  await new Promise((resolve) => setTimeout(resolve, 50));
  const seen = await harness.kube.get(microVms, 'default', 'bad');
  assert.deepEqual([seen.spec, seen.status?.phase, seen.status?.reason], [spec, 'Failed', 'InvalidSpec']);
  assert.equal(harness.kube.writes.filter((write) => write.startsWith('updateStatus MicroVM')).length, 1);
  await harness.kube.delete(microVms, 'default', 'bad');
  await eventually(() =>
    harness.kube.get(microVms, 'default', 'bad').then(
      () => false,
      (error) => error.code === 'not_found',
    ),
  );
});

test('one that runs and is made meaningless keeps its machine, and goes on when it is mended', async () => {
  await using harness = await startHarness();
  await harness.kube.create(microVms, microVm('demo'));
  await eventually(async () => (await harness.kube.get(microVms, 'default', 'demo')).status?.phase === 'Running');
  await harness.kube.patch(microVms, 'default', 'demo', { spec: { desiredState: 'Flying' } });
  await eventually(async () => (await readyOf(harness, 'MicroVM', 'demo'))?.reason === 'InvalidSpec');
  assert.equal(harness.flintlock.machines.size, 1);
  await harness.kube.patch(microVms, 'default', 'demo', { spec: { desiredState: 'Running' } });
  await eventually(async () => (await harness.kube.get(microVms, 'default', 'demo')).status?.phase === 'Running');
  assert.equal(harness.flintlock.calls.filter((call) => call.startsWith('create')).length, 1);
});

test('a status that means nothing is seen anew', async () => {
  await using harness = await startHarness();
  for (const [at, status] of [{ conditions: 'none' }, 'text', { phase: 'Dancing', host: 7 }].entries()) {
    await harness.kube.create(microVms, make('MicroVM', `vm-${at}`, microVm('x').spec, status));
    await eventually(async () => (await harness.kube.get(microVms, 'default', `vm-${at}`)).status?.phase === 'Running');
  }
});
