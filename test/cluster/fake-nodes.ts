// Nodes that only pretend: kwok keeps them ready and says of every pod placed on them that it runs.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Program, untilReady } from './child.ts';
import { readyTimeoutMs } from './control-plane.ts';

export interface FakeNodesOptions {
  count: number;
  folder: string;
  kubeconfig: string;
  kubectl(...args: string[]): Promise<string>;
  launch(name: string, args: string[]): Program;
}

const annotation = 'kwok.x-k8s.io/node';

/** Adds `fake-0` … `fake-N` with the label type=kwok and returns when all are ready. */
export async function startFakeNodes({ count, folder, kubeconfig, kubectl, launch }: FakeNodesOptions): Promise<void> {
  const kwok = launch('kwok', [
    `--kubeconfig=${kubeconfig}`,
    `--config=${join(import.meta.dirname, 'fake-nodes.yaml')}`,
    '--cidr=10.250.0.0/16',
    '--node-ip=127.0.0.1',
    '--node-lease-duration-seconds=40',
    `--manage-nodes-with-annotation-selector=${annotation}=fake`,
  ]);
  const manifest = join(folder, 'fake-nodes.json');
  const items = Array.from({ length: count }, (_, i) => fakeNode(`fake-${i}`));
  await writeFile(manifest, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  await kubectl('create', '-f', manifest);
  const areReady = async () => {
    const ready = await kubectl('get', 'nodes', '-l', 'type=kwok', '-o', `jsonpath=${readyStatuses}`);
    return ready.split(' ').filter((status) => status === 'True').length === count;
  };
  await untilReady(kwok, areReady, readyTimeoutMs);
}

const readyStatuses = '{.items[*].status.conditions[?(@.type=="Ready")].status}';

function fakeNode(name: string): object {
  const room = { cpu: '32', memory: '256Gi', pods: '110' };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      annotations: { [annotation]: 'fake' },
      labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux', type: 'kwok' },
    },
    status: { capacity: room, allocatable: room },
  };
}
