// Starts a real Kubernetes with one real node on this machine: control plane, containerd, kubelet, kube-proxy, a pod network.
// Needs root and Debian's containerd, runc, containernetworking-plugins, iptables and nftables. The host reaches the node, its
// pods and its services by their addresses. Invariant: nothing of it outlives the process that started it (see namespaces.ts).
import { join } from 'node:path';
import { untilReady } from '../child.ts';
import { type ControlPlane, makeKubectl, readyTimeoutMs, startControlPlane } from '../control-plane.ts';
import { outputOf } from '../run-command.ts';
import { type Ground, type GroundOptions, makeGround } from './ground.ts';
import { loadImage, nodeName, startContainerd, startKubelet, startProxy, succeeds } from './node-programs.ts';
import type { ReplaceableProgram } from './replaceable-program.ts';

export interface RealClusterOptions extends Pick<GroundOptions, 'bin'>, Partial<Pick<GroundOptions, 'kvm'>> {
  /** Gets lines of progress. */
  say(line: string): void;
}

export interface RealCluster extends AsyncDisposable {
  /** The folder of the programs. */
  bin: string;
  url: string;
  /** Path of an administrator's kubeconfig. */
  kubeconfig: string;
  nodeName: string;
  /** Of the node, as the host reaches it. */
  nodeAddress: string;
  /** Keys, logs (NAME.log) and the node's /var/lib (as lib/) and /var/log (as log/). */
  folder: string;
  /** Programs by their names: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, containerd, kubelet, kube-proxy. */
  program(name: string): ReplaceableProgram;
  /** Runs kubectl as the administrator, which must succeed; gives what it printed. */
  kubectl(...args: string[]): Promise<string>;
  /** Runs a program in the node's namespaces, with the host's root file system. */
  onNode(file: string, ...args: string[]): Promise<string>;
  /** Imports an image archive (docker or OCI) for pods that name the image. */
  loadImage(archive: string): Promise<void>;
  /** Resolves when the API server answers again; throws after two minutes. */
  untilApiReady(): Promise<void>;
  untilNodeReady(): Promise<void>;
}

const nodeUser = `system:node:${nodeName}`;
const fixedPorts = { etcd: 2379, etcdPeer: 2380, api: 6443, manager: 10257, scheduler: 10259 };

/** `kvm`: whether the node has the host's /dev/kvm, if that has one; it does when absent. */
export async function startRealCluster({ bin, kvm = true, say }: RealClusterOptions): Promise<RealCluster> {
  await using started = new AsyncDisposableStack();
  const ground = started.use(await makeGround({ bin, kvm }));
  say('starting a Kubernetes control plane');
  const client = await makeClientCertificate(ground.folder);
  const plane = await startPlane(ground, client);
  const kubectl = makeKubectl(bin, plane.kubeconfig, ground.folder);
  const isNodeReady = () =>
    succeeds(() => kubectl('wait', '--for=condition=Ready', '--timeout=1s', `node/${nodeName}`));

  say('starting a Kubernetes node');
  await startContainerd(ground);
  const files = { kubeconfig: await plane.kubeconfigOf(nodeUser), clientCa: client.certificate };
  const kubelet = await startKubelet(ground, files);
  await startProxy(ground, plane.kubeconfig);
  await plane.startControllers();
  await untilReady(kubelet, isNodeReady, readyTimeoutMs);
  say(`Kubernetes runs: ${plane.url}, its node ${nodeName} is ready`);
  const stack = started.move();
  return {
    ...ground,
    url: plane.url,
    kubeconfig: plane.kubeconfig,
    nodeName,
    nodeAddress: ground.addresses.nodeAddress,
    kubectl,
    loadImage: (archive) => loadImage(ground, archive),
    untilApiReady: () => untilReady(ground.program('kube-apiserver').current(), plane.isReady, readyTimeoutMs),
    untilNodeReady: () => untilReady(ground.program('kubelet').current(), isNodeReady, readyTimeoutMs),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

interface ClientCertificate {
  certificate: string;
  key: string;
}

function startPlane({ folder, launch, addresses }: Ground, client: ClientCertificate): Promise<ControlPlane> {
  const { nodeAddress, serviceRange } = addresses;
  return startControlPlane({
    folder,
    launch,
    controllers: 'all',
    users: { [nodeUser]: ['system:nodes'] },
    place: { address: nodeAddress, bind: '0.0.0.0', ports: fixedPorts, serviceRange },
    moreApiArguments: [
      `--advertise-address=${nodeAddress}`,
      `--kubelet-client-certificate=${client.certificate}`,
      `--kubelet-client-key=${client.key}`,
      '--kubelet-preferred-address-types=InternalIP',
    ],
  });
}

/** What the API server shows the kubelet; it signs itself, and the kubelet trusts it alone. Paths. */
async function makeClientCertificate(folder: string): Promise<ClientCertificate> {
  const [certificate, key] = [join(folder, 'kubelet-client.crt'), join(folder, 'kubelet-client.key')];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '3650'];
  const subject = ['-subj', '/O=system:masters/CN=kube-apiserver'];
  await outputOf('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', certificate]);
  return { certificate, key };
}
