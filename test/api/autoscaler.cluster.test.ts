// A HorizontalPodAutoscaler of a real cluster finds a MicroVMPool by its scale subresource, and scales it.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { ApiClient } from '../api-client.ts';
import { readKubeconfig } from '../cluster/kubeconfig.ts';
import { obtainKubernetes } from '../cluster/obtain.ts';
import { say } from '../cluster/open-server.ts';
import { startCluster } from '../cluster/start.ts';
import { readConfig } from '../config.ts';
import { bodyOf, eventually, pool } from './objects.ts';

const pools = '/apis/vvm.tvm.github.com/v1alpha1/namespaces/default/microvmpools';
const autoscalers = '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers';

test('an autoscaler raises the machines that wait to its least', async () => {
  const config = readConfig();
  const bin = await obtainKubernetes(config, say);
  await using cluster = await startCluster({ bin, crdFolder: join(config.root, 'deploy/crds'), fakeNodes: 1 });
  using api = new ApiClient(await readKubeconfig(cluster.kubeconfig));
  bodyOf(await api.create(pools, pool('scaled', { minReady: 1, maxReady: 6 })), 201);
  const status = { ready: 1, selector: 'vvm.tvm.github.com/pool=scaled' };
  bodyOf(await api.patch(`${pools}/scaled/status`, 'merge', { status }));
  const scaler = {
    metadata: { name: 'scaled' },
    spec: {
      scaleTargetRef: { apiVersion: 'vvm.tvm.github.com/v1alpha1', kind: 'MicroVMPool', name: 'scaled' },
      ...{ minReplicas: 4, maxReplicas: 6 },
      metrics: [{ type: 'External', external: { metric: { name: 'claims' }, target: { type: 'Value', value: '10' } } }],
    },
  };
  bodyOf(await api.create(autoscalers, scaler), 201);
  await eventually('minReady 4', async () => (await api.get(`${pools}/scaled`)).body.spec.minReady === 4);
  // It tells of what it did only afterwards.
  const able = await eventually('AbleToScale', async () => {
    const { status } = bodyOf(await api.get(`${autoscalers}/scaled`));
    return status?.conditions?.find((each: { type: string }) => each.type === 'AbleToScale');
  });
  assert.equal(able.status, 'True');
});
