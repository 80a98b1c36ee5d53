// A server of the wanted kind: the one that this test run shares, or one of its own.
import { join } from 'node:path';
import type { RunningServer, TargetName, TestConfig } from '../config.ts';
import { obtainKubernetes } from './obtain.ts';
import { startCluster } from './start.ts';
import { startEmbedded } from './start-embedded.ts';

export interface OpenServer extends AsyncDisposable {
  server: RunningServer;
}

/** Starts the server unless one runs already; disposing ends only what was started here. */
export async function openServer(name: TargetName, config: TestConfig): Promise<OpenServer> {
  const running = config.running[name];
  if (running) return { server: running, [Symbol.asyncDispose]: () => Promise.resolve() };
  const { server, stop } = name === 'real' ? await openReal(config) : await openEmbedded(config);
  return { server, [Symbol.asyncDispose]: stop };
}

async function openReal(config: TestConfig) {
  const bin = await obtainKubernetes(config, say);
  const cluster = await startCluster({ bin, crdFolder: join(config.root, 'deploy/crds') });
  const server: RunningServer = { kubeconfig: cluster.kubeconfig, etcdUrl: cluster.etcdUrl };
  return { server, stop: () => cluster[Symbol.asyncDispose]() };
}

async function openEmbedded(config: TestConfig) {
  const embedded = await startEmbedded(config.root);
  const server: RunningServer = { kubeconfig: embedded.kubeconfig };
  return { server, stop: () => embedded[Symbol.asyncDispose]() };
}

/** Progress of what can take minutes. */
export function say(line: string): void {
  console.error(`test: ${line}`);
}
