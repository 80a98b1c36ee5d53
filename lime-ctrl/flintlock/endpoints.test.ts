import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint, EndpointSlice, KubeNode } from '@tvm/kit/kube/client.ts';
import { nodesIn } from './endpoints.ts';

const slice = (endpoints: Endpoint[] | null, given: Partial<EndpointSlice> = {}): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 's', namespace: 'tvm-nodes', labels: { 'kubernetes.io/service-name': 'flintlock' } },
  addressType: 'IPv4',
  endpoints,
  ports: [{ name: 'rpc', port: 9090 }],
  ...given,
});
const endpoint = (
  address: string,
  nodeName: string,
  conditions: Endpoint['conditions'] = { ready: true },
): Endpoint => ({
  addresses: [address],
  nodeName,
  targetRef: { kind: 'Pod', name: `pod-${address}` },
  conditions,
});
const kubeNode = (name: string, unschedulable: boolean): KubeNode => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  spec: { unschedulable },
});
const find = (slices: EndpointSlice[], nameBy: 'node' | 'pod' = 'node', nodes: KubeNode[] = []) =>
  Object.fromEntries(nodesIn(slices, 'flintlock', (name) => nodes.find((each) => each.metadata.name === name), nameBy));

test('one a node, under its name; those that are not ready are there too', () => {
  const found = find([slice([endpoint('10.0.0.1', 'a'), endpoint('10.0.0.2', 'b', { ready: false })])], 'node', [
    kubeNode('a', true),
  ]);
  assert.deepEqual(found, {
    a: { address: '10.0.0.1:9090', cordoned: true, draining: false },
    b: { address: '10.0.0.2:9090', cordoned: false, draining: false },
  });
});

test('a pod that ends drains its node, until another takes its place', () => {
  const ending = endpoint('10.0.0.1', 'a', { ready: false, serving: true, terminating: true });
  assert.equal(find([slice([ending])]).a?.draining, true);
  for (const both of [
    [ending, endpoint('10.0.0.9', 'a')],
    [endpoint('10.0.0.9', 'a', { ready: false }), ending],
  ]) {
    assert.deepEqual(find([slice(both)]).a, { address: '10.0.0.9:9090', cordoned: false, draining: false });
  }
});

test('several on one node, each under the name of its pod', () => {
  const found = find([slice([endpoint('10.0.0.1', 'a')]), slice([endpoint('10.0.0.2', 'a')])], 'pod');
  assert.deepEqual(Object.keys(found).toSorted(), ['pod-10.0.0.1', 'pod-10.0.0.2']);
});

test('what is no endpoint of a flintlock is left out', () => {
  const labels = { 'kubernetes.io/service-name': 'another' };
  const one = [endpoint('10.0.0.1', 'a')];
  assert.deepEqual(find([slice(one, { metadata: { name: 'x', labels } })]), {});
  assert.deepEqual(find([slice(one, { ports: [{ name: 'metrics', port: 1 }] }), slice(one, { ports: null })]), {});
  assert.deepEqual(find([slice(null), slice([{ addresses: [] }])]), {});
  const six = find([slice([endpoint('fd00::1', 'a')], { addressType: 'IPv6' })]);
  assert.equal(six.a?.address, '[fd00::1]:9090');
});
