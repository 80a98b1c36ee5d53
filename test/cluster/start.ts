// Starts a real Kubernetes control plane on loopback: etcd, kube-apiserver with the project's CRDs, and the controllers that
// collect garbage and empty namespaces. No privilege is needed; several run side by side.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiClient } from '../api-client.ts';
import { startProgram, untilReady } from './child.ts';
import { freePorts } from './free-port.ts';
import { kubeconfigText } from './kubeconfig.ts';
import { outputOf } from './run-command.ts';
import { makeScratchFolder } from './scratch-folder.ts';

const readyTimeoutMs = 120_000;

export interface ClusterOptions {
  /** The folder of the programs, see obtainKubernetes. */
  bin: string;
  /** A folder of CustomResourceDefinitions to apply. */
  crdFolder: string;
}

export interface Cluster extends AsyncDisposable {
  /** https://127.0.0.1:PORT */
  url: string;
  /** Path of an administrator's kubeconfig. */
  kubeconfig: string;
  /** http://127.0.0.1:PORT of etcd, for tests that forget history. */
  etcdUrl: string;
}

/** A ready cluster with the CRDs established. Disposing it ends its processes and removes its files. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  await using started = new AsyncDisposableStack();
  const { path: folder } = started.use(await makeScratchFolder('cluster'));
  const [etcdPort = 0, peerPort = 0, apiPort = 0, managerPort = 0] = await freePorts(4);
  const etcdUrl = `http://127.0.0.1:${etcdPort}`;
  const url = `https://127.0.0.1:${apiPort}`;
  const launch = (name: string, args: string[]) =>
    started.use(startProgram(name, join(options.bin, name), args, join(folder, `${name}.log`)));

  launch('etcd', etcdArguments(folder, etcdUrl, `http://127.0.0.1:${peerPort}`));
  const token = await writeKeys(folder);
  const server = launch('kube-apiserver', apiServerArguments(folder, etcdUrl, apiPort));
  const kubeconfig = join(folder, 'kubeconfig');
  await untilReady(server, () => isReady(folder, url, token), readyTimeoutMs);
  await writeFile(kubeconfig, kubeconfigText({ url, token, ca: await servingCertificate(folder) }), { mode: 0o600 });

  await applyCrds(options, kubeconfig, folder);
  // The garbage collector looks for new kinds only every half minute, so it starts once they are there.
  const manager = launch('kube-controller-manager', managerArguments(folder, kubeconfig, managerPort));
  await untilReady(manager, () => collectorWorks(folder), readyTimeoutMs);
  const stack = started.move();
  return { url, kubeconfig, etcdUrl, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

function etcdArguments(folder: string, clientUrl: string, peerUrl: string): string[] {
  return [
    '--name=test',
    `--data-dir=${folder}/etcd`,
    '--unsafe-no-fsync',
    '--log-level=warn',
    `--listen-client-urls=${clientUrl}`,
    `--advertise-client-urls=${clientUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=test=${peerUrl}`,
  ];
}

function apiServerArguments(folder: string, etcdUrl: string, port: number): string[] {
  return [
    `--etcd-servers=${etcdUrl}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    `--cert-dir=${folder}/certificates`, // it makes its own serving certificate there
    `--token-auth-file=${folder}/tokens.csv`,
    '--authorization-mode=RBAC',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${folder}/service-account.key`,
    `--service-account-signing-key-file=${folder}/service-account.key`,
    '--service-cluster-ip-range=10.96.0.0/24',
    '--disable-admission-plugins=ServiceAccount',
  ];
}

function managerArguments(folder: string, kubeconfig: string, port: number): string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    `--cert-dir=${folder}/certificates`,
    '--leader-elect=false',
    '--controllers=garbage-collector-controller,namespace-controller',
    '--v=2',
  ];
}

/** The service-account key and the administrator's token, which is returned. */
async function writeKeys(folder: string): Promise<string> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const token = randomBytes(24).toString('hex');
  const key = privateKey.export({ type: 'sec1', format: 'pem' });
  await writeFile(join(folder, 'service-account.key'), key, { mode: 0o600 });
  await writeFile(join(folder, 'tokens.csv'), `${token},admin,admin,"system:masters"\n`, { mode: 0o600 });
  return token;
}

function servingCertificate(folder: string): Promise<string> {
  return readFile(join(folder, 'certificates/apiserver.crt'), 'utf8');
}

async function isReady(folder: string, url: string, token: string): Promise<boolean> {
  try {
    using client = new ApiClient({ url, token, ca: await servingCertificate(folder) });
    return (await client.get('/readyz')).status === 200;
  } catch {
    return false; // not listening yet, or no certificate yet: asked again until the deadline
  }
}

async function applyCrds({ bin, crdFolder }: ClusterOptions, kubeconfig: string, home: string): Promise<void> {
  const kubectl = (...args: string[]) =>
    outputOf(join(bin, 'kubectl'), ['--kubeconfig', kubeconfig, '--cache-dir', join(home, 'kubectl'), ...args]);
  await kubectl('apply', '-f', crdFolder);
  await kubectl('wait', '--for=condition=Established', '--all', 'crd', '--timeout=60s');
}

async function collectorWorks(folder: string): Promise<boolean> {
  const log = await readFile(join(folder, 'kube-controller-manager.log'), 'utf8');
  return log.includes('Proceeding to collect garbage');
}
