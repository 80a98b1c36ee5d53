// The runs of vvm up and vvm down.
import type { Context } from '../context.ts';
import { ensureService } from '../service/start.ts';
import { purgeState, stopService } from '../service/stop.ts';

export async function up({ config, progress, stdout }: Context): Promise<void> {
  const state = await ensureService(config, progress.say);
  await progress.clear();
  await stdout.write(`running: ${state.url}\nkubeconfig: ${state.kubeconfig}\nlog: ${state.logFile}\n`);
}

export async function down({ config, progress, stdout }: Context, purge: boolean): Promise<void> {
  const outcome = await stopService(config, progress.say);
  if (purge) await purgeState(config.home);
  await progress.clear();
  await stdout.write(`${outcome}${purge ? ', state deleted' : ''}\n`);
}
