// A real Kubernetes control plane: etcd, kube-apiserver, kube-controller-manager and, where pods are to run, kube-scheduler.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiClient } from '../api-client.ts';
import { type Program, untilReady } from './child.ts';
import { kubeconfigText } from './kubeconfig.ts';
import { outputOf } from './run-command.ts';

export const readyTimeoutMs = 120_000;

/** Where a control plane listens. */
export interface Place {
  /** The address that clients use. */
  address: string;
  /** What the API server binds to. */
  bind: string;
  ports: { etcd: number; etcdPeer: number; api: number; manager: number; scheduler: number };
  serviceRange: string;
}

export interface ControlPlaneOptions {
  /** Keys, data and logs are kept in it. */
  folder: string;
  place: Place;
  /** `collector`: what cleans up objects, nothing that makes any. `all`: with service accounts, workloads, scheduling. */
  controllers: 'collector' | 'all';
  /** More users, as NAME to their groups; the administrator is always there. */
  users?: Record<string, string[]>;
  moreApiArguments?: string[];
  /** Starts one of the Kubernetes programs. */
  launch(name: string, args: string[]): Program;
}

export interface ControlPlane {
  url: string;
  etcdUrl: string;
  /** Path of the administrator's kubeconfig. */
  kubeconfig: string;
  /** Path of a kubeconfig made for one of `users`. */
  kubeconfigOf(user: string): Promise<string>;
  /** Whether the API server answers that it is ready. */
  isReady(): Promise<boolean>;
  /** Starts the controllers and returns when they work. */
  startControllers(): Promise<void>;
}

/** A control plane whose API server answers; its controllers are started separately, as they look for kinds only now and then. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { folder, place, launch } = options;
  const etcdUrl = `http://127.0.0.1:${place.ports.etcd}`;
  const url = `https://${place.address}:${place.ports.api}`;
  launch('etcd', etcdArguments(folder, etcdUrl, `http://127.0.0.1:${place.ports.etcdPeer}`));
  const tokens = await writeKeys(folder, options.users ?? {});
  const tokenOf = (user: string) => tokens.get(user) ?? '';
  const server = launch('kube-apiserver', [
    ...apiServerArguments(options, etcdUrl),
    ...(options.moreApiArguments ?? []),
  ]);
  const isReady = () => answersReady(folder, url, tokenOf('admin'));
  await untilReady(server, isReady, readyTimeoutMs);
  const ca = await servingCertificate(folder);
  const kubeconfigOf = async (user: string) => {
    const path = join(folder, user === 'admin' ? 'kubeconfig' : `${user.replaceAll(':', '-')}.kubeconfig`);
    await writeFile(path, kubeconfigText({ url, token: tokenOf(user), ca }), { mode: 0o600 });
    return path;
  };
  const kubeconfig = await kubeconfigOf('admin');
  return {
    url,
    etcdUrl,
    kubeconfig,
    kubeconfigOf,
    isReady,
    startControllers: () => startControllers(options, kubeconfig),
  };
}

async function startControllers({ folder, place, controllers, launch }: ControlPlaneOptions, kubeconfig: string) {
  if (controllers === 'all') {
    const { port, ...common } = { port: place.ports.scheduler, kubeconfig, folder };
    launch('kube-scheduler', [...componentArguments({ ...common, port }), '--leader-elect=false']);
  }
  const manager = launch('kube-controller-manager', [
    ...componentArguments({ port: place.ports.manager, kubeconfig, folder }),
    '--leader-elect=false',
    '--v=2',
    ...(controllers === 'collector'
      ? ['--controllers=garbage-collector-controller,namespace-controller']
      : [
          '--use-service-account-credentials',
          '--horizontal-pod-autoscaler-sync-period=2s', // it looks at a new one after that time
          `--service-account-private-key-file=${folder}/service-account.key`,
          `--root-ca-file=${folder}/certificates/apiserver.crt`,
        ]),
  ]);
  await untilReady(manager, () => collectorWorks(folder), readyTimeoutMs);
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

function apiServerArguments({ folder, place, controllers }: ControlPlaneOptions, etcdUrl: string): string[] {
  return [
    `--etcd-servers=${etcdUrl}`,
    `--bind-address=${place.bind}`,
    `--secure-port=${place.ports.api}`,
    `--cert-dir=${folder}/certificates`, // it makes its own serving certificate there
    `--token-auth-file=${folder}/tokens.csv`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${folder}/service-account.key`,
    `--service-account-signing-key-file=${folder}/service-account.key`,
    `--service-cluster-ip-range=${place.serviceRange}`,
    ...(controllers === 'all'
      ? ['--authorization-mode=Node,RBAC', '--allow-privileged=true', '--enable-admission-plugins=NodeRestriction']
      : // Nothing makes service accounts there, so pods are accepted without.
        ['--authorization-mode=RBAC', '--disable-admission-plugins=ServiceAccount']),
  ];
}

function componentArguments({
  folder,
  kubeconfig,
  port,
}: {
  folder: string;
  kubeconfig: string;
  port: number;
}): string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    `--cert-dir=${folder}/certificates`,
  ];
}

/** The service-account key, and a token for each user. */
async function writeKeys(folder: string, users: Record<string, string[]>): Promise<Map<string, string>> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = privateKey.export({ type: 'sec1', format: 'pem' });
  await writeFile(join(folder, 'service-account.key'), key, { mode: 0o600 });
  const all = Object.entries({ admin: ['system:masters'], ...users });
  const tokens = new Map(all.map(([user]) => [user, randomBytes(24).toString('hex')]));
  const lines = all.map(([user, groups]) => `${tokens.get(user)},${user},${user},"${groups.join(',')}"\n`);
  await writeFile(join(folder, 'tokens.csv'), lines.join(''), { mode: 0o600 });
  return tokens;
}

function servingCertificate(folder: string): Promise<string> {
  return readFile(join(folder, 'certificates/apiserver.crt'), 'utf8');
}

async function answersReady(folder: string, url: string, token: string): Promise<boolean> {
  try {
    using client = new ApiClient({ url, token, ca: await servingCertificate(folder) });
    return (await client.get('/readyz')).status === 200;
  } catch {
    return false; // not listening yet, or no certificate yet: asked again until the deadline
  }
}

/** Applies the CustomResourceDefinitions in a folder and waits until they are served. */
export async function applyCrds(kubectl: (...args: string[]) => Promise<string>, crdFolder: string): Promise<void> {
  await kubectl('apply', '-f', crdFolder);
  await kubectl('wait', '--for=condition=Established', '--all', 'crd', '--timeout=60s');
}

/** Runs the cluster's kubectl as its administrator and gives what it printed; throws TvmError with its words when it fails. */
export function makeKubectl(bin: string, kubeconfig: string, folder: string): (...args: string[]) => Promise<string> {
  return (...args) =>
    outputOf(join(bin, 'kubectl'), ['--kubeconfig', kubeconfig, '--cache-dir', join(folder, 'kubectl'), ...args]);
}

async function collectorWorks(folder: string): Promise<boolean> {
  const log = await readFile(join(folder, 'kube-controller-manager.log'), 'utf8');
  return log.includes('Proceeding to collect garbage');
}
