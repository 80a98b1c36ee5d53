// The cluster that other tests use: a real node that runs pods, and nothing of it stays on this machine.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { readConfig } from '../../config.ts';
import { processesOf } from '../../e2e/host-facts.ts';
import { until } from '../../e2e/until.ts';
import { obtainKubernetes } from '../obtain.ts';
import { say } from '../open-server.ts';
import { pauseImage } from './configuration.ts';
import { startRealCluster } from './start.ts';

const pod = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'paused' },
  spec: {
    containers: [{ name: 'paused', image: pauseImage, imagePullPolicy: 'Never' }],
    terminationGracePeriodSeconds: 0,
  },
});

const linksOfClusters = () => readdirSync('/sys/class/net').filter((link) => link.startsWith('tvmcluster'));
const othersLinks = linksOfClusters();

/** What could stay: mounts, links and cgroups that name a cluster's folder, or the kubelet's own. */
function traces(folder: string): string[] {
  const name = folder.slice(folder.lastIndexOf('/') + 1);
  return [
    ...processesOf(folder).map(({ command }) => command),
    ...readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(name) || line.includes('/var/lib/kubelet')),
    ...readdirSync('/sys/fs/cgroup').filter((hierarchy) => existsSync(`/sys/fs/cgroup/${hierarchy}/${name}`)),
    ...linksOfClusters().filter((link) => !othersLinks.includes(link)),
    ...[folder, `/sys/fs/cgroup/${name}`, '/var/lib/kubelet/device-plugins'].filter((path) => existsSync(path)),
  ];
}

test('a pod runs, programs are restarted, and nothing stays', async () => {
  const bin = await obtainKubernetes(readConfig(), say);
  let folder = '';
  const settings = readFileSync('/proc/sys/vm/overcommit_memory', 'utf8');
  {
    await using cluster = await startRealCluster({ bin, say });
    folder = cluster.folder;
    await until('the default service account', () =>
      cluster.kubectl('get', 'serviceaccount', 'default').catch(() => undefined),
    );
    await writeFile(`${folder}/pod.json`, pod);
    await cluster.kubectl('create', '-f', `${folder}/pod.json`);
    await cluster.kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'pod/paused');
    await cluster.program('kubelet').restart();
    await cluster.program('kube-apiserver').restart();
    await cluster.untilApiReady();
    await cluster.untilNodeReady();
    await cluster.kubectl('get', '--raw', `/api/v1/nodes/${cluster.nodeName}/proxy/healthz`);
    assert.match(await cluster.kubectl('get', 'pod', 'paused'), /Running/);
  }
  await until('no traces', () => traces(folder).length === 0, 20_000).catch(() => undefined);
  assert.deepEqual(traces(folder), []);
  assert.equal(readFileSync('/proc/sys/vm/overcommit_memory', 'utf8'), settings);
});

test('when the process that started it is killed, everything goes too', async () => {
  const bin = await obtainKubernetes(readConfig(), say);
  const script = `
    const { startRealCluster } = await import(${JSON.stringify(import.meta.resolve('./start.ts'))});
    const cluster = await startRealCluster({ bin: ${JSON.stringify(bin)}, say() {} });
    console.log(cluster.folder);
    setInterval(() => {}, 1000);`;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [folder] = (await once(createInterface({ input: owner.stdout }), 'line')) as [string];
    assert.notDeepEqual(traces(folder), []);
    owner.kill('SIGKILL');
    await until('no traces', () => traces(folder).length === 0, 30_000).catch(() => undefined);
    assert.deepEqual(traces(folder), []);
  } finally {
    owner.kill('SIGKILL');
  }
});
