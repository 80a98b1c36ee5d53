// A service of its own for the benchmark: own state, own ports, ended and removed afterwards.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Service } from './product.ts';

const run = promisify(execFile);

export interface BenchmarkService extends Service, AsyncDisposable {
  accelerator: string;
}

/** Starts `vvm up` with its state in `home`. */
export async function startService(home: string): Promise<BenchmarkService> {
  const anyPort = '127.0.0.1:0';
  const env = {
    ...process.env,
    TVM_HOME: home,
    TVM_APISERVER_LISTEN: anyPort,
    TVM_LIME_LISTEN: anyPort,
    TVM_METRICS_LISTEN: anyPort,
    TVM_HEALTH_LISTEN: anyPort,
  };
  const vvm = { command: process.execPath, args: [fileURLToPath(new URL('../cli/main.ts', import.meta.url))], env };
  await run(vvm.command, [...vvm.args, 'up'], { env });
  const service = JSON.parse(await readFile(join(home, 'service.json'), 'utf8'));
  const [token = ''] = (await readFile(service.tokensFile, 'utf8')).split(',');
  const answer = await fetch(`${service.url}/v1/status`, { headers: { authorization: `Bearer ${token}` } });
  const status = (await answer.json()) as { nodes: { accelerator: string }[] };
  return {
    url: service.url,
    token,
    vvm,
    accelerator: status.nodes[0]?.accelerator ?? 'unknown',
    async [Symbol.asyncDispose]() {
      await run(vvm.command, [...vvm.args, 'down', '--purge'], { env });
    },
  };
}
