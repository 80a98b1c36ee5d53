import { after, before, test } from 'node:test';
import { onEachTarget } from '../../test/api/scope.ts';
import { kubeConformance } from './conformance.ts';
import { type HttpsKubeClient, makeHttpsClient } from './https-client.ts';
import { loadKubeConfig } from './kube-config.ts';

onEachTarget('the kube client', (scope) => {
  let client: HttpsKubeClient;
  before(() => {
    client = makeHttpsClient(loadKubeConfig(scope.server.kubeconfig));
  });
  after(() => client[Symbol.dispose]());

  for (const name of Object.keys(kubeConformance({} as never, ''))) {
    test(name, async () => {
      await kubeConformance(client, 'conformance', scope.namespace)[name]?.();
    });
  }
});
