// A plugin that a test runs: as a process of its own, or in the test's own process, which is quicker.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { linkSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeLogger } from '@tvm/kit/log.ts';
import { readConfig } from '../config.ts';
import { openPlugin } from '../plugin.ts';
import { quickClock } from './quick-clock.ts';

export interface TestedPlugin extends AsyncDisposable {
  /** The text of /metrics. */
  metrics(): Promise<string>;
  /** Status and text of /readyz. */
  ready(): Promise<{ status: number; text: string }>;
  /** Resolves when it ended. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** Resolves when metrics and health are served; by then it need not have registered. */
export type StartPlugin = (env: Record<string, string>) => Promise<TestedPlugin>;

const anyPort = { TVM_METRICS_LISTEN: '127.0.0.1:0', TVM_HEALTH_LISTEN: '127.0.0.1:0', TVM_LOG_LEVEL: 'fatal' };
const mainPath = fileURLToPath(new URL('../main.ts', import.meta.url));

export const startProcess: StartPlugin = async (env) => {
  const child = spawn(process.execPath, [mainPath], {
    env: { ...process.env, ...anyPort, ...env },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const exited = once(child, 'exit');
  const said = await Promise.race([once(child, 'message').then(([message]) => message), exited.then(() => undefined)]);
  if (!said?.ready) throw new Error(`the plugin ended: ${said?.failed ?? child.exitCode}`);
  return testedPlugin(said.metrics, said.health, (signal) => endProcess(child, exited, signal));
};

/** What a kill would leave, which is its sockets, stays when it is killed here. */
export const startHere: StartPlugin = async (env) => {
  const config = readConfig({ ...anyPort, ...env });
  const plugin = await openPlugin({ config, clock: quickClock, log: makeLogger('test', 'silent') });
  const folder = join(config.kubeletFolder, 'device-plugins');
  return testedPlugin(plugin.metricsUrl, plugin.healthUrl, async (signal) => {
    if (signal === 'SIGKILL') await keepingSockets(folder, async () => await plugin[Symbol.asyncDispose]());
    else await plugin[Symbol.asyncDispose]();
  });
};

function testedPlugin(metricsUrl: string, healthUrl: string, end: TestedPlugin['end']): TestedPlugin {
  return {
    metrics: async () => (await fetch(`${metricsUrl}/metrics`)).text(),
    ready: async () => {
      const response = await fetch(`${healthUrl}/readyz`);
      return { status: response.status, text: await response.text() };
    },
    end,
    [Symbol.asyncDispose]: () => end('SIGTERM'),
  };
}

async function endProcess(child: ChildProcess, exited: Promise<unknown>, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await exited;
}

async function keepingSockets(folder: string, close: () => Promise<void>): Promise<void> {
  const kept = readdirSync(folder).filter((name) => name.endsWith('.sock') && name !== 'kubelet.sock');
  for (const name of kept) linkSync(join(folder, name), join(folder, `${name}.kept`));
  await close();
  for (const name of kept) {
    renameSync(join(folder, `${name}.kept`), join(folder, name));
    // One that is still there is the same file, which a rename leaves as it is.
    rmSync(join(folder, `${name}.kept`), { force: true });
  }
}
