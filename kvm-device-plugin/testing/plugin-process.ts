// The real plugin as a process of its own, to be killed in the middle of what it does.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const mainPath = fileURLToPath(new URL('../main.ts', import.meta.url));

export interface PluginProcess extends AsyncDisposable {
  pid: number;
  /** The text of /metrics. */
  metrics(): Promise<string>;
  /** Status and text of /readyz. */
  ready(): Promise<{ status: number; text: string }>;
  /** Resolves when it ended. */
  end(signal: NodeJS.Signals): Promise<void>;
}

/** Resolves when it answers on its ports; by then it need not have registered. */
export async function startPlugin(env: Record<string, string>): Promise<PluginProcess> {
  const anyPort = { TVM_METRICS_LISTEN: '127.0.0.1:0', TVM_HEALTH_LISTEN: '127.0.0.1:0', TVM_LOG_LEVEL: 'fatal' };
  const child = spawn(process.execPath, [mainPath], {
    env: { ...process.env, ...anyPort, ...env },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  const urls = await Promise.race([once(child, 'message').then(([message]) => message), exited.then(() => undefined)]);
  if (!urls?.ready) throw new Error(`the plugin ended: ${urls?.failed ?? child.exitCode}`);
  return {
    pid: child.pid ?? -1,
    metrics: async () => (await fetch(`${urls.metrics}/metrics`)).text(),
    ready: async () => {
      const response = await fetch(`${urls.health}/readyz`);
      return { status: response.status, text: await response.text() };
    },
    end: (signal) => end(child, exited, signal),
    [Symbol.asyncDispose]: () => end(child, exited, 'SIGKILL'),
  };
}

async function end(child: ChildProcess, exited: Promise<unknown>, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await exited;
}
