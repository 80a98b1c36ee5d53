// What a test of the API suite works with: a server, a client, a namespace of its own, kubectl.
// One file describes its tests once; they run on every wanted target.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { ApiClient } from '../api-client.ts';
import { readKubeconfig } from '../cluster/kubeconfig.ts';
import { obtainKubernetes } from '../cluster/obtain.ts';
import { openServer, say } from '../cluster/open-server.ts';
import { type CommandOptions, type CommandResult, runCommand } from '../cluster/run-command.ts';
import { environmentWith, type RunningServer, readConfig, type TargetName } from '../config.ts';

export const customPath = '/apis/vvm.tvm.github.com/v1alpha1';

const groupPaths: Record<string, string> = {
  secrets: '/api/v1',
  configmaps: '/api/v1',
  events: '/api/v1',
  leases: '/apis/coordination.k8s.io/v1',
};

export interface Scope {
  target: TargetName;
  server: RunningServer;
  api: ApiClient;
  /** A namespace of this file alone. */
  namespace: string;
  /** The path of a namespaced resource, `microvms` or `secrets`, and further parts: a name, a subresource. */
  path(resource: string, ...parts: string[]): string;
  /** Runs the real kubectl in the namespace. */
  kubectl(args: string[], options?: CommandOptions): Promise<CommandResult>;
}

/**
 * Describes tests for every wanted target. Inside tests (not before) the fields of `scope` are filled. `obtainKubectl` gives
 * the program to use, that of the cluster's own version when absent.
 */
export function onEachTarget(title: string, body: (scope: Scope) => void, obtainKubectl = clusterKubectl): void {
  const config = readConfig();
  for (const target of config.targets) {
    describe(`${title} on ${target}`, () => {
      const scope = {} as Scope;
      const opened = new AsyncDisposableStack();
      before(async () => Object.assign(scope, await openScope(target, opened, obtainKubectl)));
      after(() => opened.disposeAsync());
      body(scope);
    });
  }
}

async function openScope(
  target: TargetName,
  opened: AsyncDisposableStack,
  obtainKubectl: () => Promise<string>,
): Promise<Scope> {
  const config = readConfig();
  const { server } = opened.use(await openServer(target, config));
  const api = opened.use(new ApiClient(await readKubeconfig(server.kubeconfig)));
  const home = await mkdtemp(join(tmpdir(), 'tvm-api-test-'));
  opened.defer(() => rm(home, { recursive: true, force: true, maxRetries: 3 }));
  const created = await api.create('/api/v1/namespaces', { metadata: { generateName: 'test-' } });
  if (created.status !== 201) throw new Error(`no namespace: ${created.text}`);
  const namespace: string = created.body.metadata.name;
  opened.defer(() => api.delete(`/api/v1/namespaces/${namespace}`).then(() => undefined));
  return {
    target,
    server,
    api,
    namespace,
    path: (resource, ...parts) =>
      [groupPaths[resource] ?? customPath, 'namespaces', namespace, resource, ...parts].join('/'),
    kubectl: async (args, options = {}) => {
      const program = await obtainKubectl();
      const env = environmentWith({ HOME: home, KUBECONFIG: server.kubeconfig, ...definedOnly(options.env) });
      return runCommand(program, ['--namespace', namespace, ...args], { ...options, env });
    },
  };
}

async function clusterKubectl(): Promise<string> {
  return join(await obtainKubernetes(readConfig(), say), 'kubectl');
}

function definedOnly(env: NodeJS.ProcessEnv = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** A file for kubectl -f, removed by `using`. */
export async function temporaryFile(name: string, content: string): Promise<{ path: string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'tvm-api-test-'));
  const path = join(folder, name);
  await writeFile(path, content, { mode: 0o700 });
  return { path, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}
