// Starts a real Kubernetes without a real node on loopback: a control plane with the project's CRDs and, when asked for, nodes
// that only pretend (kwok). No privilege is needed; several run side by side.
import { join } from 'node:path';
import { type Program, startProgram } from './child.ts';
import { applyCrds, makeKubectl, startControlPlane } from './control-plane.ts';
import { startFakeNodes } from './fake-nodes.ts';
import { freePorts } from './free-port.ts';
import { makeScratchFolder } from './scratch-folder.ts';

export interface ClusterOptions {
  /** The folder of the programs, see obtainKubernetes. */
  bin: string;
  /** A folder of CustomResourceDefinitions to apply. */
  crdFolder: string;
  /** Nodes `fake-0` … that accept every pod and run none; with them come the scheduler and all controllers. Default 0. */
  fakeNodes?: number;
}

export interface Cluster extends AsyncDisposable {
  /** https://127.0.0.1:PORT */
  url: string;
  /** Path of an administrator's kubeconfig. */
  kubeconfig: string;
  /** http://127.0.0.1:PORT of etcd, for tests that forget history. */
  etcdUrl: string;
  /** Process ids of the programs by their names, for measurements. */
  pids: ReadonlyMap<string, number>;
}

/** A ready cluster with the CRDs established. Disposing it ends its processes and removes its files. */
export async function startCluster({ bin, crdFolder, fakeNodes = 0 }: ClusterOptions): Promise<Cluster> {
  await using started = new AsyncDisposableStack();
  const { path: folder } = started.use(await makeScratchFolder('cluster'));
  const [etcd = 0, etcdPeer = 0, api = 0, manager = 0, scheduler = 0] = await freePorts(5);
  const programs = new Map<string, Program>();
  const launch = (name: string, args: string[]) => {
    const program = started.use(startProgram(name, join(bin, name), args, join(folder, `${name}.log`)));
    programs.set(name, program);
    return program;
  };
  const plane = await startControlPlane({
    folder,
    launch,
    controllers: fakeNodes > 0 ? 'all' : 'collector',
    place: {
      address: '127.0.0.1',
      bind: '127.0.0.1',
      ports: { etcd, etcdPeer, api, manager, scheduler },
      serviceRange: '10.96.0.0/24',
    },
  });
  const kubectl = makeKubectl(bin, plane.kubeconfig, folder);
  await applyCrds(kubectl, crdFolder);
  // The garbage collector looks for new kinds only every half minute, so it starts once they are there.
  await plane.startControllers();
  if (fakeNodes > 0) await startFakeNodes({ count: fakeNodes, folder, kubeconfig: plane.kubeconfig, kubectl, launch });
  const { url, kubeconfig, etcdUrl } = plane;
  const pids = new Map([...programs].map(([name, { pid }]) => [name, pid]));
  const stack = started.move();
  return { url, kubeconfig, etcdUrl, pids, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}
