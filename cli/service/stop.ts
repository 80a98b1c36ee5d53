// Ends the service and every machine; with purge its state too. Invariant: afterwards nothing of it runs.
import { existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import type { Config } from '../config.ts';
import { isAlive, signalProcess } from './process-identity.ts';
import { readServiceFile, removeServiceFile } from './service-file.ts';
import { ensureService } from './start.ts';

const stopDeadlineMs = 120_000;
const pollMs = 30;

export type StopOutcome = 'stopped' | 'was not running';

/** Throws TvmError: deadline_exceeded when the service is still there after two minutes, unavailable when machines are. */
export async function stopService(config: Config, say: (message: string) => void): Promise<StopOutcome> {
  const file = readServiceFile(config.home);
  if (file?.alive) await stopRunning(config, say);
  if (machinesLeft(config.home) > 0) {
    // The service was killed, or did not end in time: only a flintlock finds machines and ends them in order.
    say('machines are left; starting the service once more to end them');
    await ensureService(config, say);
    await stopRunning(config, say);
  }
  const left = machinesLeft(config.home);
  if (left > 0) {
    const hint = 'Run "vvm down" again; the log tells why they do not end.';
    throw new TvmError('unavailable', `${left} machines could not be ended`, { hint, reason: 'MachinesLeft' });
  }
  removeServiceFile(config.home);
  return file?.alive ? 'stopped' : 'was not running';
}

function machinesLeft(home: string): number {
  const folder = join(home, 'flintlock/machines');
  return existsSync(folder) ? readdirSync(folder).length : 0;
}

async function stopRunning(config: Config, say: (message: string) => void): Promise<void> {
  const deadline = performance.now() + stopDeadlineMs;
  let said = '';
  const first = readServiceFile(config.home);
  if (!first) return;
  signalProcess(first.state, 'SIGTERM');
  while (isAlive(first.state)) {
    const now = readServiceFile(config.home)?.state;
    if (now?.state === 'stopping' && now.message !== said) {
      said = now.message;
      say(`service: ${said}`);
    }
    if (performance.now() > deadline) {
      throw new TvmError('deadline_exceeded', `the service (process ${first.state.pid}) does not stop`, {
        hint: `See ${first.state.logFile}; "kill -9 ${first.state.pid}" ends it, its parts end with it.`,
      });
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

const stateNames = ['apiserver', 'flintlock', 'run', 'tokens', 'service.json', 'service.log', 'service.log.1'];

/** Deletes what the service keeps, by name: a home that is somebody's folder keeps the rest. The lock stays. */
export async function purgeState(home: string): Promise<void> {
  for (const name of stateNames) await rm(join(home, name), { recursive: true, force: true });
}
