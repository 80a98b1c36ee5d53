// The run of vvm kubectl: finds the program, hands everything on, ends with its exit code.
import { spawn } from 'node:child_process';
import { accessSync, constants, globSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { delimiter, join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import type { Config } from '../config.ts';
import type { Context } from '../context.ts';
import { Exit, usageError } from '../exit-codes.ts';
import { ensureService } from '../service/start.ts';

/** Always throws Exit with kubectl's exit code, or TvmError when there is no kubectl. */
export async function kubectl({ config, progress }: Context, args: string[]): Promise<never> {
  if (config.remote) {
    const hint = 'For another cluster use your kubectl as it is, or unset TVM_SERVER.';
    throw usageError('TVM_SERVER is set: "vvm kubectl" is for the service of this machine', hint);
  }
  const program = findKubectl(config);
  const service = await ensureService(config, progress.say);
  await progress.clear();
  const child = spawn(program, args, {
    stdio: 'inherit',
    env: { ...config.environment, KUBECONFIG: service.kubeconfig },
  });
  // The terminal tells kubectl itself; others tell us.
  const ignore = () => undefined;
  const handOn = (signal: NodeJS.Signals) => child.kill(signal);
  process.on('SIGINT', ignore).on('SIGTERM', handOn).on('SIGHUP', handOn);
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', (cause) => reject(new TvmError('unavailable', `cannot run ${program}`, { cause })));
    child.once('exit', (exitCode, signal) => resolve(exitCode ?? 128 + (signal ? osConstants.signals[signal] : 0)));
  });
  throw new Exit(code);
}

/** From PATH, else one in the cache. Throws TvmError not_found. */
export function findKubectl(config: Pick<Config, 'cache' | 'environment'>): string {
  const folders = (config.environment.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const cached = globSync(join(config.cache, 'kubernetes/*/bin/kubectl')).sort().reverse();
  const found = [...folders.map((folder) => join(folder, 'kubectl')), ...cached].find(isExecutable);
  if (found) return found;
  throw new TvmError('not_found', 'there is no kubectl', {
    hint: 'Put one in PATH (https://kubernetes.io/docs/tasks/tools/), any version of the last years does.\n"./scripts/test.sh" makes one in the cache, which is found too.',
  });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
