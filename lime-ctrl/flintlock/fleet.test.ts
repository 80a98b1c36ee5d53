// Nodes that come, go, move and are marked, with fakes on the other side.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { systemClock } from '@tvm/kit/clock.ts';
import { type EndpointSlice, endpointSlices, type KubeNode, kubeNodes } from '@tvm/kit/kube/client.ts';
import { makeMemoryKube } from '@tvm/kit/kube/memory-client.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { makeFakeFlintlock } from '../testing/fake-flintlock.ts';
import { eventually } from '../testing/harness.ts';
import { makeDiscovery } from './discovery.ts';
import { type FleetEvent, makeFleet } from './fleet.ts';

const log = makeLogger('test', 'silent');
const create = { generation: 1n, spec: { image: 'i', cpus: 1, memoryMib: 64 } };

function startFleet(t: TestContext, discovered = false) {
  const fleet = makeFleet(new Map(), { clock: systemClock, log, discovered });
  const stop = new AbortController();
  const told: FleetEvent[] = [];
  fleet.subscribe((event) => told.push(event));
  const running = fleet.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
  });
  return { fleet, told, signal: stop.signal };
}

test('a node that joins is watched; one that leaves takes its machines with it', async (t) => {
  const { fleet, told } = startFleet(t);
  const flintlock = makeFakeFlintlock('a');
  let closed = 0;
  fleet.join('a', flintlock.client, () => {
    closed += 1;
  });
  await eventually(() => fleet.nodes()[0]?.reachable);
  await flintlock.client.createMachine({ ...create, uid: 'u' });
  await eventually(() => fleet.machine('u'));
  fleet.leave('a');
  assert.deepEqual([fleet.nodes(), fleet.machine('u'), closed], [[], undefined, 1]);
  assert.ok(told.some((event) => event.type === 'machine' && event.uid === 'u' && !event.machine));
  assert.throws(() => fleet.client('a'), { code: 'not_found', reason: 'NodeGone' });
});

test('a node at another address: what is known of it stays until it has told', async (t) => {
  const { fleet } = startFleet(t);
  const [before, after] = [makeFakeFlintlock('a'), makeFakeFlintlock('a')];
  for (const uid of ['kept', 'lost']) await before.client.createMachine({ ...create, uid });
  await after.client.createMachine({ ...create, uid: 'kept' });
  fleet.join('a', before.client);
  await eventually(() => fleet.machine('lost'));
  after.goAway();
  fleet.join('a', after.client);
  assert.equal(fleet.nodes()[0]?.reachable, false);
  assert.ok(fleet.machine('lost'), 'nobody has said that it is gone');
  after.restore();
  await eventually(() => fleet.nodes()[0]?.reachable);
  assert.ok(fleet.machine('kept') && !fleet.machine('lost'));
});

test('a machine that is on two nodes is found on the one that is asked for', async (t) => {
  const { fleet } = startFleet(t);
  for (const name of ['a', 'b']) {
    const flintlock = makeFakeFlintlock(name);
    await flintlock.client.createMachine({
      ...create,
      uid: 'u',
      labels: { owner: 'microvm', namespace: 'n', name: 'm' },
    });
    fleet.join(name, flintlock.client);
  }
  await eventually(() => fleet.machinesFor('n/m').length === 2);
  assert.deepEqual([fleet.machine('u', 'b')?.node, fleet.machine('u', 'a')?.node], ['b', 'a']);
  assert.deepEqual([fleet.countOn('a'), fleet.countOn('a', 'n'), fleet.countOn('a', 'x')], [1, 1, 0]);
  fleet.leave('b');
  assert.equal(fleet.machine('u', 'b')?.node, 'a');
  assert.equal(fleet.countOn('b', 'n'), 0);
});

test('the fleet of a cluster: known once all were found, true to what comes and goes', async (t) => {
  const { fleet, signal } = startFleet(t, true);
  const kube = makeMemoryKube();
  const flintlocks = new Map(['10.0.0.1:9090', '10.0.0.2:9090'].map((each) => [each, makeFakeFlintlock(each)]));
  const proof = Promise.withResolvers<void>();
  const discovery = makeDiscovery({
    ...{ client: kube, namespace: 'tvm-nodes', service: 'flintlock', nameBy: 'node', fleet },
    connect: (address) => ({ client: (flintlocks.get(address) ?? makeFakeFlintlock()).client, close: () => {} }),
    whenReady: proof.promise,
    ...{ clock: systemClock, log },
  });
  const slice: EndpointSlice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 's', namespace: 'tvm-nodes', labels: { 'kubernetes.io/service-name': 'flintlock' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'], nodeName: 'a' }],
    ports: [{ name: 'rpc', port: 9090 }],
  };
  await kube.create(endpointSlices, slice);
  const node: KubeNode = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'a' }, spec: {} };
  await kube.create(kubeNodes, node);
  const running = discovery.run(signal);
  t.after(() => running);
  await eventually(() => discovery.trouble() === undefined);
  assert.deepEqual([fleet.known, fleet.nodes().length], [false, 0], 'without a proof nobody is called');
  proof.resolve();
  await eventually(() => fleet.known && fleet.nodes()[0]?.reachable);
  await kube.patch(kubeNodes, '', 'a', { spec: { unschedulable: true } });
  await eventually(() => fleet.nodes()[0]?.cordoned);
  const both = [
    { addresses: ['10.0.0.1'], nodeName: 'a', conditions: { terminating: true, ready: false } },
    { addresses: ['10.0.0.2'], nodeName: 'b' },
  ];
  await kube.patch(endpointSlices, 'tvm-nodes', 's', { endpoints: both });
  await eventually(() => fleet.nodes().find(({ name }) => name === 'b')?.reachable && fleet.nodes()[0]?.draining);
  await kube.patch(endpointSlices, 'tvm-nodes', 's', { endpoints: both.slice(1) });
  await eventually(() => fleet.nodes().length === 1);
  assert.equal(fleet.nodes()[0]?.name, 'b');
});
