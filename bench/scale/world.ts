// What is measured: a real control plane with nodes that only pretend, a flintlock with fake machines for each, lime-ctrl.
// Invariant: everything is a process of its own, so that its time and memory can be told apart.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { statusView } from '@tvm/api/rest/microvms.ts';
import { makeHttpsClient } from '@tvm/kit/kube/https-client.ts';
import { loadKubeConfig } from '@tvm/kit/kube/kube-config.ts';
import { type Program, startProgram, untilReady } from '@tvm/test/cluster/child.ts';
import { applyCrds, makeKubectl, startControlPlane } from '@tvm/test/cluster/control-plane.ts';
import { startFakeNodes } from '@tvm/test/cluster/fake-nodes.ts';
import { freePorts } from '@tvm/test/cluster/free-port.ts';
import { obtainKubernetes } from '@tvm/test/cluster/obtain.ts';
import { readConfig } from '@tvm/test/config.ts';
import type { Scope } from '../host/scope.ts';
import { auditPolicy, followAudit } from './audit.ts';
import { fetchSamples } from './prometheus.ts';

/** The user that lime-ctrl is to the API server. */
const user = 'lime-ctrl';
const nodePrefix = 'fake-';
const flintlocksPerProcess = 25;
const readyTimeoutMs = 120_000;

export interface WorldOptions {
  scope: Scope;
  nodes: number;
  say: (message: string) => void;
}

export type World = Awaited<ReturnType<typeof openWorld>>;

export async function openWorld({ scope, nodes, say }: WorldOptions) {
  say('starting etcd, kube-apiserver, kube-scheduler, kube-controller-manager and kwok');
  const plane = await openPlane(scope, nodes, say);
  say(`starting ${nodes} flintlocks`);
  const flintlocks = await openFlintlocks(scope, nodes);
  say('starting lime-ctrl');
  const lime = await openLime(scope, plane.limeKubeconfig, flintlocks);
  const client = makeHttpsClient(loadKubeConfig(plane.kubeconfig));
  scope.own(async () => client[Symbol.dispose]());
  return { client, lime, audit: followAudit(plane.auditPath), etcdUrl: plane.etcdUrl };
}

async function openPlane(scope: Scope, nodes: number, say: WorldOptions['say']) {
  const { root, ...sources } = readConfig();
  const bin = await obtainKubernetes(sources, say);
  const folder = join(scope.folder, 'cluster');
  const [auditPath, policyPath] = [join(folder, 'audit.log'), join(folder, 'audit-policy.json')];
  await mkdir(folder);
  await writeFile(policyPath, JSON.stringify(auditPolicy(user)));
  const launch = launcher(scope, folder, bin);
  const [etcd = 0, etcdPeer = 0, api = 0, manager = 0, scheduler = 0] = await freePorts(5);
  const plane = await startControlPlane({
    folder,
    launch,
    controllers: 'all',
    users: { [user]: ['system:masters'] },
    moreApiArguments: [`--audit-policy-file=${policyPath}`, `--audit-log-path=${auditPath}`, '--audit-log-maxsize=0'],
    place: {
      ...{ address: '127.0.0.1', bind: '127.0.0.1', serviceRange: '10.96.0.0/24' },
      ports: { etcd, etcdPeer, api, manager, scheduler },
    },
  });
  const { kubeconfig, etcdUrl } = plane;
  const kubectl = makeKubectl(bin, kubeconfig, folder);
  await applyCrds(kubectl, join(root, 'deploy/crds'));
  await plane.startControllers();
  await startFakeNodes({ count: nodes, folder, kubeconfig, kubectl, launch });
  return { kubeconfig, etcdUrl, auditPath, limeKubeconfig: await plane.kubeconfigOf(user) };
}

function launcher(scope: Scope, folder: string, bin: string) {
  return (name: string, args: string[]): Program => {
    const program = startProgram(name, join(bin, name), args, join(folder, `${name}.log`));
    ownProgram(scope, program);
    return program;
  };
}

function ownProgram(scope: Scope, program: Program): void {
  scope.own(async () => program[Symbol.asyncDispose]());
}

/** Name to address. Several processes, so that they are not what is waited for. */
async function openFlintlocks(scope: Scope, nodes: number): Promise<Record<string, string>> {
  const addresses: Record<string, string> = {};
  for (let first = 0; first < nodes; first += flintlocksPerProcess) {
    const count = Math.min(flintlocksPerProcess, nodes - first);
    const folder = join(scope.folder, `f${first}`);
    const file = join(import.meta.dirname, 'flintlocks.ts');
    const args = ['--pdeathsig', 'KILL', process.execPath, file, folder, nodePrefix, String(first), String(count)];
    const child = spawn('setpriv', args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const ended = once(child, 'exit');
    scope.own(async () => {
      child.kill('SIGTERM');
      await ended;
    });
    const told = await Promise.race([once(child, 'message'), ended.then(() => undefined)]);
    if (!told) throw new Error('the flintlocks ended before they were ready');
    Object.assign(addresses, told[0]);
  }
  return addresses;
}

async function openLime(scope: Scope, kubeconfig: string, flintlocks: Record<string, string>) {
  const { root } = readConfig();
  const [rest = 0, metrics = 0, health = 0] = await freePorts(3);
  const home = join(scope.folder, 'lime');
  const token = randomBytes(16).toString('hex');
  await mkdir(home);
  await writeFile(join(home, 'tokens'), `${token},bench\n`, { mode: 0o600 });
  const environment = {
    ...{ KUBECONFIG: kubeconfig, TVM_HOME: home, TVM_POOL: 'off', TVM_LOG_LEVEL: 'warn', TVM_REPLICA_NAME: 'bench' },
    TVM_FLINTLOCKS: Object.entries(flintlocks)
      .map(([name, address]) => `${name}=${address}`)
      .join(','),
    TVM_LIME_LISTEN: `127.0.0.1:${rest}`,
    TVM_METRICS_LISTEN: `127.0.0.1:${metrics}`,
    TVM_HEALTH_LISTEN: `127.0.0.1:${health}`,
  };
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const args = [...variables, process.execPath, join(root, 'lime-ctrl/main.ts')];
  const program = startProgram('lime-ctrl', 'env', args, join(scope.folder, 'lime-ctrl.log'));
  ownProgram(scope, program);
  const allReachable = async () => {
    try {
      const headers = { authorization: `Bearer ${token}` };
      const { nodes } = statusView.parse(await (await fetch(`http://127.0.0.1:${rest}/v1/status`, { headers })).json());
      return nodes.filter(({ reachable }) => reachable).length === Object.keys(flintlocks).length;
    } catch {
      return false; // not listening yet: asked again until the deadline
    }
  };
  await untilReady(program, allReachable, readyTimeoutMs);
  const samples = () => fetchSamples(`http://127.0.0.1:${metrics}/metrics`);
  return { pid: program.pid, samples, lastLines: () => program.lastLines() };
}
