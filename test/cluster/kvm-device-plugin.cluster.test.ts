// The device plugin with the real kubelet, beside which it runs as a process of the host.
import { rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { type TestedKubelet, testKubeletBehaviours } from '@tvm/kvm-device-plugin/testing/kubelet-behaviours.ts';
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

function podOf(name: string): string {
  const container = {
    name: 'main',
    image: busyboxImage,
    imagePullPolicy: 'Never',
    command: ['sleep', '1000000'],
    resources: { limits: { [resource]: '1' } },
  };
  const spec = { containers: [container], terminationGracePeriodSeconds: 0, automountServiceAccountToken: false };
  return JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec });
}

interface PodStatus {
  phase: string;
  message?: string;
  conditions?: { type: string; status: string; message?: string }[];
}

/** A kubelet as the behaviours want it, in a cluster that runs. */
async function testedKubelet(cluster: RealCluster): Promise<TestedKubelet> {
  const { kubectl, folder, nodeName } = cluster;
  const device = join(folder, 'kvm');
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
  testKubeletBehaviours(() => kubelet);
});
