// The device plugin with the real kubelet: as a process of the host beside it, and as the pod that a cluster runs.
import assert from 'node:assert/strict';
import { mkdirSync, realpathSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type TestedKubelet, testKubeletBehaviours } from '@tvm/kvm-device-plugin/testing/kubelet-behaviours.ts';
import { startProcess } from '@tvm/kvm-device-plugin/testing/tested-plugin.ts';
import { until } from '@tvm/kvm-device-plugin/testing/until.ts';
import { readConfig } from '../config.ts';
import { busyboxImage, packBusyboxImage } from './node/busybox-image.ts';
import { type RealCluster, startRealCluster } from './node/start.ts';
import { obtainKubernetes } from './obtain.ts';
import { say } from './open-server.ts';
import { outputOf } from './run-command.ts';

const resource = 'tvm.github.com/kvm';
const devices = ['/dev/kvm', '/dev/net/tun', '/dev/userfaultfd'];
/** KVM's own number: another node of the same device, which the tests can take away. */
const deviceNumber = ['10', '232'];
/** One that no driver has. */
const unservedNumber = ['10', '254'];

function podOf(name: string, command = ['sleep', '1000000'], more = {}): string {
  const container = {
    name: 'main',
    image: busyboxImage,
    imagePullPolicy: 'Never',
    command,
    resources: { limits: { [resource]: '1' } },
  };
  const spec = {
    containers: [container],
    terminationGracePeriodSeconds: 0,
    automountServiceAccountToken: false,
    ...more,
  };
  return JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec });
}

function deviceOf({ folder }: RealCluster): string {
  return join(folder, 'devices/kvm');
}

/** The plugin as a pod with no privilege at all: root for the kubelet's folders, and no capability. */
function pluginPod(cluster: RealCluster, root: string): object {
  const devices = join(deviceOf(cluster), '..');
  const node = realpathSync(process.execPath);
  const readOnly = [
    ['/dev', '/host/dev'],
    [devices, `/host${devices}`],
    [node, '/node'],
    ['/usr', '/usr'],
    ['/lib', '/lib'],
    ['/lib64', '/lib64'],
    [root, root],
    ['/var/lib/kubelet/pod-resources', '/var/lib/kubelet/pod-resources'],
  ] as const;
  const writable = [['/var/lib/kubelet/device-plugins', '/var/lib/kubelet/device-plugins']] as const;
  const mounts = [
    ...readOnly.map(([from, to]) => ({ from, to, readOnly: true })),
    ...writable.map(([from, to]) => ({ from, to, readOnly: false })),
  ];
  const env = {
    TVM_KVM_DEVICE: deviceOf(cluster),
    TVM_KVM_PERMITS: '2',
    TVM_HOST_ROOT: '/host',
    TVM_METRICS_LISTEN: '0.0.0.0:8080',
    TVM_HEALTH_LISTEN: '0.0.0.0:8081',
  };
  const container = {
    name: 'main',
    image: busyboxImage,
    imagePullPolicy: 'Never',
    command: ['/node', join(root, 'kvm-device-plugin/main.ts')],
    env: Object.entries(env).map(([name, value]) => ({ name, value })),
    securityContext: {
      runAsUser: 0,
      privileged: false,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    readinessProbe: { httpGet: { path: '/readyz', port: 8081 }, periodSeconds: 1 },
    volumeMounts: mounts.map(({ to, readOnly }, index) => ({ name: `v${index}`, mountPath: to, readOnly })),
  };
  return {
    containers: [container],
    volumes: mounts.map(({ from }, index) => ({ name: `v${index}`, hostPath: { path: from } })),
    terminationGracePeriodSeconds: 5,
    automountServiceAccountToken: false,
  };
}

interface PodStatus {
  phase: string;
  message?: string;
  conditions?: { type: string; status: string; message?: string }[];
}

/** A kubelet as the behaviours want it, in a cluster that runs. */
async function testedKubelet(cluster: RealCluster): Promise<TestedKubelet> {
  const { kubectl, folder, nodeName } = cluster;
  const device = deviceOf(cluster);
  const makeDevice = () => outputOf('mknod', [device, 'c', ...deviceNumber]);

  async function podStatus(name: string): Promise<PodStatus> {
    return JSON.parse(await kubectl('get', 'pod', name, '-o', 'jsonpath={.status}'));
  }

  async function untilRunning(name: string): Promise<void> {
    const status = await until(`pod ${name} runs or is refused`, async () => {
      const { phase, conditions, message } = await podStatus(name);
      const ready = conditions?.some(({ type, status }) => type === 'Ready' && status === 'True');
      const refused = conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
      return (ready || refused || phase === 'Failed') && { ready, message: message ?? refused?.message };
    });
    if (!status.ready) throw new Error(`pod ${name} does not run: ${status.message}`);
  }

  mkdirSync(join(device, '..'));
  await makeDevice();
  return {
    folder: join(folder, 'lib/kubelet'),
    device,
    makeDevice,
    makeBrokenDevice: () => outputOf('mknod', [device, 'c', ...unservedNumber]),
    removeDevice: async () => rmSync(device),
    status: async () => {
      const { capacity, allocatable } = JSON.parse(await kubectl('get', 'node', nodeName, '-o', 'jsonpath={.status}'));
      return { capacity: Number(capacity[resource]), allocatable: Number(allocatable[resource]) };
    },
    runPod: async (name) => {
      const file = join(folder, `${name}.json`);
      await writeFile(file, podOf(name));
      await kubectl('create', '-f', file);
      await untilRunning(name);
      const openThem = `for each in ${devices.join(' ')}; do if [ -c $each ]; then : <>$each && echo $each; fi; done`;
      return (await kubectl('exec', name, '--', 'sh', '-c', openThem)).trim().split('\n');
    },
    endPod: async (name) => {
      await kubectl('delete', 'pod', name, '--wait');
    },
    kill: () => cluster.program('kubelet').kill(),
    start: async () => {
      cluster.program('kubelet').start();
      await cluster.untilNodeReady();
    },
  };
}

describe('the plugin with the real kubelet', () => {
  let cluster: RealCluster;
  let kubelet: TestedKubelet;

  before(async () => {
    cluster = await startRealCluster({ bin: await obtainKubernetes(readConfig(), say), say });
    await cluster.loadImage(await packBusyboxImage(cluster.folder));
    await until('the default service account', () => cluster.kubectl('get', 'serviceaccount', 'default'));
    kubelet = await testedKubelet(cluster);
  });
  after(() => cluster?.[Symbol.asyncDispose]());
  testKubeletBehaviours(() => kubelet, startProcess);

  test('what pods held that ended by themselves is given to others, while they are still listed', async (t) => {
    const { kubectl, folder } = cluster;
    const plugin = await startProcess({
      TVM_KUBELET_DIR: kubelet.folder,
      TVM_KVM_DEVICE: kubelet.device,
      TVM_KVM_PERMITS: '1',
    });
    t.after(() => plugin[Symbol.asyncDispose]());
    await until('one permit', async () => (await kubelet.status()).allocatable === 1);
    const names = ['ends-well', 'ends-badly'];
    for (const [code, name] of names.entries()) {
      const file = join(folder, `${name}.json`);
      await writeFile(file, podOf(name, ['sh', '-c', `exit ${code}`], { restartPolicy: 'Never' }));
      await kubectl('create', '-f', file);
      await kubectl('wait', `--for=jsonpath={.status.phase}=${['Succeeded', 'Failed'][code]}`, `pod/${name}`);
      await until('no holder', async () => /^tvm_kvm_permits_allocated 0$/m.test(await plugin.metrics()));
    }
    await kubelet.runPod('lives');
    for (const name of [...names, 'lives']) await kubelet.endPod(name);
  });

  test('as a pod without any privilege it does all of that', async () => {
    const { kubectl, folder } = cluster;
    const file = join(folder, 'plugin.json');
    const spec = pluginPod(cluster, readConfig().root);
    await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'plugin' }, spec }));
    await kubectl('create', '-f', file);
    await kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'pod/plugin');
    const untilAllocatable = (count: number) =>
      until(`${count} permits`, async () => (await kubelet.status()).allocatable === count);
    await untilAllocatable(2);
    assert.ok((await kubelet.runPod('guest')).includes('/dev/kvm'));
    const address = await kubectl('get', 'pod', 'plugin', '-o', 'jsonpath={.status.podIP}');
    const metrics = await (await fetch(`http://${address}:8080/metrics`)).text();
    assert.match(metrics, /^tvm_kvm_permits_held\{namespace="default",pod="guest",container="main"\} 1$/m);
    await kubelet.endPod('guest');
    await kubelet.removeDevice();
    await untilAllocatable(0);
    await kubelet.makeDevice();
    await untilAllocatable(2);
    await kubelet.removeDevice();
    await kubelet.makeBrokenDevice();
    await untilAllocatable(0);
    await kubelet.removeDevice();
    await kubelet.makeDevice();
    await untilAllocatable(2);
    await kubelet.endPod('plugin');
    await untilAllocatable(0);
  });
});
