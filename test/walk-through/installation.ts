// TVM as a user installs it: images built from this checkout, a real node, the manifests applied by kubectl.
// Invariant: after dispose nothing of it is left on the host.
import assert from 'node:assert/strict';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApiObject } from '../api-client.ts';
import { type RealCluster, startRealCluster } from '../cluster/node/start.ts';
import { obtainKubernetes } from '../cluster/obtain.ts';
import { say } from '../cluster/open-server.ts';
import { type CommandResult, runCommand } from '../cluster/run-command.ts';
import { makeScratchFolder } from '../cluster/scratch-folder.ts';
import { environmentWith, readConfig } from '../config.ts';
import { startProgram } from '../e2e/program.ts';
import { until } from '../e2e/until.ts';

const { root } = readConfig();
const parts = ['lime-ctrl', 'kvm-device-plugin', 'flintlock'];

/** How long something may take on a node whose processors emulate virtual machines. */
const patienceMs = 240_000;

export interface Installation extends AsyncDisposable {
  cluster: RealCluster;
  /** Runs kubectl, which must succeed, and gives what it printed. */
  kubectl(...args: string[]): Promise<string>;
  apply(...objects: object[]): Promise<void>;
  read(kind: string, name: string, namespace?: string): Promise<ApiObject>;
  /** The object once the answer is true. */
  untilObject(kind: string, name: string, what: string, holds: (object: ApiObject) => boolean): Promise<ApiObject>;
  untilPhase(name: string, phase: string): Promise<ApiObject>;
  /** scripts/vvm.sh as a user with this token runs it, against the Service of lime-ctrl. */
  vvm(token: string, ...args: string[]): Promise<CommandResult>;
  /** The same from anywhere: through kubectl port-forward. */
  vvmFromAfar(token: string, ...args: string[]): Promise<CommandResult>;
  tokenOf(serviceAccount: string): Promise<string>;
  podsOf(name: string): Promise<ApiObject[]>;
  /** All nodes are cordoned, and the scheduler knows: it may take a while to hear of it when the API server was away. */
  untilNothingIsScheduled(): Promise<void>;
  /** The folders of machines on the node. */
  machineFolders(): Promise<string[]>;
}

/** A cluster without KVM, with the images loaded and the kinds applied; the manifests are left to the test. */
export async function prepareInstallation(): Promise<Installation> {
  await using started = new AsyncDisposableStack();
  const bin = await obtainKubernetes(readConfig(), say);
  const images = started.use(await makeScratchFolder('images'));
  await buildImages(images.path);
  const cluster = started.use(await startRealCluster({ bin, kvm: false, say }));
  for (const part of parts) {
    say(`loading the image of ${part}`);
    await cluster.loadImage(join(images.path, `${part}.tar`));
    await rm(join(images.path, `${part}.tar`));
  }
  await cluster.kubectl('apply', '-f', join(root, 'deploy/crds'));
  const stack = started.move();
  return { ...usesOf(cluster), [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function buildImages(folder: string): Promise<void> {
  const program = join(root, 'deploy/images/main.ts');
  const built = await runCommand(process.execPath, [program, '--save', folder], { onProgress: say });
  assert.equal(built.exitCode, 0, built.stderr.slice(-2000));
}

function usesOf(cluster: RealCluster): Omit<Installation, keyof AsyncDisposable> {
  const { kubectl } = cluster;
  const read: Installation['read'] = async (kind, name, namespace = 'default') =>
    JSON.parse(await kubectl('-n', namespace, 'get', kind, name, '-o', 'json'));
  const untilObject: Installation['untilObject'] = async (kind, name, what, holds) => {
    let last: ApiObject;
    const look = async () => {
      last = await read(kind, name).catch(() => undefined);
      return last !== undefined && holds(last) ? last : undefined;
    };
    return await until(`${kind}/${name} ${what}`, look, patienceMs).catch((error: Error) => {
      throw new Error(`${error.message}; it is ${JSON.stringify(last?.status)}`);
    });
  };
  return {
    cluster,
    kubectl,
    read,
    untilObject,
    apply: async (...objects) => {
      const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
      const args = ['--kubeconfig', cluster.kubeconfig, 'apply', '-f', '-'];
      const applied = await runCommand(join(cluster.bin, 'kubectl'), args, { input: list });
      assert.equal(applied.exitCode, 0, applied.stderr);
    },
    untilPhase: (name, phase) => untilObject('mvm', name, `is ${phase}`, ({ status }) => status?.phase === phase),
    vvm: async (token, ...args) => {
      const { spec } = await readService(cluster);
      return await runVvm(`http://${spec.clusterIP}:8082`, token, args);
    },
    vvmFromAfar: async (token, ...args) => {
      await using forward = startProgram(join(cluster.bin, 'kubectl'), [
        ...['--kubeconfig', cluster.kubeconfig, '-n', 'tvm-system'],
        ...['port-forward', 'service/lime-ctrl', ':8082'],
      ]);
      const port = await until('the port is forwarded', () => /127\.0\.0\.1:(\d+)/.exec(forward.stdout())?.[1]);
      return await runVvm(`http://127.0.0.1:${port}`, token, args);
    },
    tokenOf: async (serviceAccount) => (await kubectl('create', 'token', serviceAccount)).trim(),
    podsOf: async (name) => {
      const list = await kubectl('get', 'pods', '-A', '-l', `app.kubernetes.io/name=${name}`, '-o', 'json');
      return JSON.parse(list).items;
    },
    untilNothingIsScheduled: async () => {
      await until('the scheduler knows that no node takes pods', async () => {
        await kubectl('run', 'probe', '--image=localhost/tvm/probe', '--restart=Never');
        const placed = await until('the scheduler has seen a pod', async () => {
          const { spec, status } = await read('pod', 'probe');
          return (
            spec.nodeName ?? status.conditions?.find(({ type }: { type: string }) => type === 'PodScheduled')?.reason
          );
        });
        await kubectl('delete', 'pod', 'probe', '--force', '--grace-period=0');
        return placed === 'Unschedulable';
      });
    },
    machineFolders: () => readdir(join(cluster.folder, 'lib/tvm/flintlock/machines')).catch(() => []),
  };
}

function runVvm(server: string, token: string, args: string[]): Promise<CommandResult> {
  const env = environmentWith({ TVM_SERVER: server, TVM_TOKEN: token });
  return runCommand(join(root, 'scripts/vvm.sh'), args, { env });
}

let service: Promise<ApiObject> | undefined;

/** Kept, so that it is known while the API server is down. */
function readService({ kubectl }: RealCluster): Promise<ApiObject> {
  service ??= kubectl('-n', 'tvm-system', 'get', 'service', 'lime-ctrl', '-o', 'json').then((text) => JSON.parse(text));
  return service;
}

/** A MicroVM of the default image. */
export function microVm(name: string, spec: object = {}): object {
  return {
    apiVersion: 'vvm.tvm.github.com/v1alpha1',
    kind: 'MicroVM',
    metadata: { name, namespace: 'default' },
    spec: { image: 'tvm/python', cpu: 1, memory: 128, ...spec },
  };
}

/** An MCPSession with a machine of its own. */
export function mcpSession(name: string): object {
  return {
    apiVersion: 'vvm.tvm.github.com/v1alpha1',
    kind: 'MCPSession',
    metadata: { name, namespace: 'default' },
    spec: { userId: 'alice', groupId: 'research', image: 'tvm/python', cpu: 1, memory: 128 },
  };
}
