// A service of the benchmark's own: own state, own ports, ended and purged at the end of the run.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readServiceFile, type ServiceState } from '@tvm/cli/service/service-file.ts';
import { connectFlintlock, type FlintlockClient } from '@tvm/lime-ctrl/flintlock/client.ts';
import { processesOf } from '@tvm/test/e2e/host-facts.ts';
import { runProgram } from '../host/program.ts';
import type { Scope } from '../host/scope.ts';
import { makeRestClient, type RestClient } from './rest-client.ts';

export interface Service {
  home: string;
  rest: RestClient;
  flintlock: FlintlockClient;
  /** What service.json says now. */
  state(): ServiceState;
  /** Standard output of a command that must succeed. */
  vvm(...args: string[]): Promise<string>;
}

export interface ServiceOptions {
  scope: Scope;
  /** Short: sockets are below it. */
  name: string;
  /** The environment of the benchmark. */
  environment: NodeJS.ProcessEnv;
  /** What is special about this one. */
  settings: Record<string, string>;
}

const program = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const anyPort = '127.0.0.1:0';

/** Starts it with `vvm up`, and has it ended with the scope. */
export async function startService({ scope, name, environment, settings }: ServiceOptions): Promise<Service> {
  const home = join(scope.folder, name);
  const env = {
    ...environment,
    ...{ TVM_HOME: home, TVM_APISERVER_LISTEN: anyPort, TVM_LIME_LISTEN: anyPort },
    ...{ TVM_METRICS_LISTEN: anyPort, TVM_HEALTH_LISTEN: anyPort },
    ...settings,
  };
  const vvm = (...args: string[]) => runProgram(process.execPath, [program, ...args], env);
  let rest: RestClient | undefined;
  let starting: Promise<string> | undefined;
  scope.own(async () => {
    rest?.[Symbol.dispose]();
    await starting?.catch(() => undefined); // told to whoever started it
    await vvm('down', '--purge');
    const left = processesOf(home).map(({ pid, command }) => `${pid} ${command}`);
    if (left.length > 0) throw new Error(`the service ${name} left processes: ${left.join('; ')}`);
  });
  starting = vvm('up');
  await starting;
  const state = () => {
    const file = readServiceFile(home);
    if (!file) throw new Error(`the service ${name} is gone`);
    return file.state;
  };
  const { url = '', tokensFile, flintlock = '' } = state();
  const [token = ''] = (await readFile(tokensFile, 'utf8')).split(',');
  rest = makeRestClient(url, token);
  return { home, rest, flintlock: connectFlintlock(flintlock).client, state, vvm };
}
