// Starts a real Kubernetes with one real node on this machine: control plane, containerd, kubelet, kube-proxy, a pod network.
// Needs root and Debian's containerd, runc, containernetworking-plugins, iptables and nftables. The host reaches the node, its
// pods and its services by their addresses. Invariant: nothing of it outlives the process that started it (see namespaces.ts).
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Program, startProgram, untilReady } from '../child.ts';
import { makeKubectl, readyTimeoutMs, startControlPlane } from '../control-plane.ts';
import { outputOf } from '../run-command.ts';
import { makeScratchFolder } from '../scratch-folder.ts';
import { makeCgroup } from './cgroup.ts';
import { cniConfig, containerdConfig, kubeletConfig, nodePaths, pauseImage, proxyConfig } from './configuration.ts';
import { makeNamespaces, type Namespaces } from './namespaces.ts';
import { packPauseImage } from './pause-image.ts';
import { makeReplaceable, type ReplaceableProgram } from './replaceable-program.ts';

export interface RealClusterOptions {
  /** The folder of the programs, see obtainKubernetes. */
  bin: string;
  /** Whether the node has the host's /dev/kvm, if that has one. Default: yes. */
  kvm?: boolean;
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
  kubectl(...args: string[]): Promise<string>;
  /** Runs a program in the node's namespaces, with the host's root file system. */
  onNode(file: string, ...args: string[]): Promise<string>;
  /** Imports an image archive (docker or OCI) for pods that name the image. */
  loadImage(archive: string): Promise<void>;
  /** Resolves when the API server answers again; throws after two minutes. */
  untilApiReady(): Promise<void>;
  untilNodeReady(): Promise<void>;
}

const nodeName = 'node-1';
const nodeUser = `system:node:${nodeName}`;
const fixedPorts = { etcd: 2379, etcdPeer: 2380, api: 6443, manager: 10257, scheduler: 10259 };

export async function startRealCluster({ bin, kvm = true, say }: RealClusterOptions): Promise<RealCluster> {
  await using started = new AsyncDisposableStack();
  const { path: folder } = started.use(await makeScratchFolder('node'));
  const cgroup = folder.slice(folder.lastIndexOf('/') + 1);
  started.use(await makeCgroup(cgroup));
  const namespaces = started.use(await makeNamespaces({ folder, pause: join(bin, 'pause'), kvm }));
  const { addresses } = namespaces;
  const programs = new Map<string, ReplaceableProgram>();
  const run = (name: string, [file, args]: [string, string[]]): Program => {
    const program = started.use(makeReplaceable(() => startProgram(name, file, args, join(folder, `${name}.log`))));
    programs.set(name, program);
    return program.current();
  };
  const launch = (name: string, args: string[]) => run(name, namespaces.inNetwork(join(bin, name), args));

  say('starting a Kubernetes control plane');
  const client = await makeClientCertificate(folder);
  const plane = await startControlPlane({
    folder,
    launch,
    controllers: 'all',
    users: { [nodeUser]: ['system:nodes'] },
    place: { address: addresses.nodeAddress, bind: '0.0.0.0', ports: fixedPorts, serviceRange: addresses.serviceRange },
    moreApiArguments: [
      `--advertise-address=${addresses.nodeAddress}`,
      `--kubelet-client-certificate=${client.certificate}`,
      `--kubelet-client-key=${client.key}`,
      '--kubelet-preferred-address-types=InternalIP',
    ],
  });
  const { kubeconfig } = plane;
  const kubectl = makeKubectl(bin, kubeconfig, folder);
  const onNode = (file: string, ...args: string[]) => outputOf(...namespaces.onNode(file, args));
  const loadImage = async (archive: string) => {
    await onNode('ctr', '--address', nodePaths.containerdSocket, '-n', 'k8s.io', 'images', 'import', archive);
  };
  const isNodeReady = () => asks(() => kubectl('wait', '--for=condition=Ready', '--timeout=1s', `node/${nodeName}`));

  say('starting a Kubernetes node');
  const containerd = await startContainerd(folder, namespaces, run);
  await untilReady(
    containerd,
    () => asks(() => onNode('ctr', '-a', nodePaths.containerdSocket, 'version')),
    readyTimeoutMs,
  );
  await loadImage(await packPauseImage(join(bin, 'pause'), pauseImage, join(folder, 'pause')));
  const kubelet = await startKubelet(
    { bin, folder, cgroup, clientCa: client.certificate, namespaces, run },
    await plane.kubeconfigOf(nodeUser),
  );
  await writeFile(join(folder, 'kube-proxy.yaml'), proxyConfig(kubeconfig, nodeName, addresses));
  launch('kube-proxy', [`--config=${folder}/kube-proxy.yaml`]);
  await plane.startControllers();
  await untilReady(kubelet, isNodeReady, readyTimeoutMs);
  say(`Kubernetes runs: ${plane.url}, its node ${nodeName} is ready`);

  const programOf = (name: string) => {
    const program = programs.get(name);
    if (!program) throw new Error(`no program ${name} in the cluster`);
    return program;
  };
  const stack = started.move();
  return {
    bin,
    url: plane.url,
    kubeconfig,
    nodeName,
    nodeAddress: addresses.nodeAddress,
    folder,
    program: programOf,
    kubectl,
    onNode,
    loadImage,
    untilApiReady: () => untilReady(programOf('kube-apiserver').current(), plane.isReady, readyTimeoutMs),
    untilNodeReady: () => untilReady(programOf('kubelet').current(), isNodeReady, readyTimeoutMs),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** What the API server shows the kubelet; it signs itself, and the kubelet trusts it alone. */
async function makeClientCertificate(folder: string): Promise<{ certificate: string; key: string }> {
  const [certificate, key] = [join(folder, 'kubelet-client.crt'), join(folder, 'kubelet-client.key')];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '3650'];
  const subject = ['-subj', '/O=system:masters/CN=kube-apiserver'];
  await outputOf('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', certificate]);
  return { certificate, key };
}

type Run = (name: string, command: [string, string[]]) => Program;

async function startContainerd(folder: string, namespaces: Namespaces, run: Run): Promise<Program> {
  const cni = join(folder, 'cni');
  await mkdir(cni);
  await writeFile(join(cni, '10-pods.conflist'), cniConfig(namespaces.addresses));
  await writeFile(join(folder, 'containerd.toml'), containerdConfig(cni));
  return run('containerd', namespaces.onNode('containerd', ['--config', join(folder, 'containerd.toml')]));
}

interface KubeletOptions {
  bin: string;
  folder: string;
  cgroup: string;
  clientCa: string;
  namespaces: Namespaces;
  run: Run;
}

async function startKubelet(options: KubeletOptions, kubeconfig: string): Promise<Program> {
  const { bin, folder, cgroup, clientCa, namespaces, run } = options;
  const config = join(folder, 'kubelet.yaml');
  await writeFile(config, kubeletConfig({ cgroup, clientCa }));
  return run(
    'kubelet',
    namespaces.onNode(join(bin, 'kubelet'), [
      `--config=${config}`,
      `--kubeconfig=${kubeconfig}`,
      `--root-dir=${nodePaths.kubelet}`,
      `--cert-dir=${nodePaths.kubelet}/pki`,
      `--hostname-override=${nodeName}`,
      `--node-ip=${namespaces.addresses.nodeAddress}`,
      '--v=2',
    ]),
  );
}

/** Whether a command succeeds; it is asked again until a deadline, so its words do not matter. */
function asks(command: () => Promise<string>): Promise<boolean> {
  return command().then(
    () => true,
    () => false,
  );
}
