// The supervisor's life: checks ports, starts the parts, says so in service.json, runs until the signal, stops them.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import { systemClock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { aborted } from '@tvm/kit/run-main.ts';
import type { Config } from '../config.ts';
import { productVersion } from '../version.ts';
import { endMachines } from './end-machines.ts';
import { keepLogBounded, openLog } from './log-file.ts';
import { checkPortFree, listenSettings } from './ports.ts';
import { identityOf } from './process-identity.ts';
import { removeServiceFile, type ServiceState, writeServiceFile } from './service-file.ts';
import { logFilePath } from './start.ts';
import { type SupervisorDeps, startSupervisor } from './supervisor.ts';
import { ensureTokensFile } from './tokens.ts';
import { untilUsable } from './until-usable.ts';

/** What a service is made of; tests give parts of their own. */
export interface ServiceParts extends Pick<SupervisorDeps, 'endMachines' | 'specOf'> {
  untilUsable: typeof untilUsable;
}

/** Resolves when everything has stopped. Throws TvmError, also written to service.json, when a part cannot be started. */
export async function serve(
  config: Config,
  log: Logger,
  signal: AbortSignal,
  how: ServiceParts = { endMachines, untilUsable },
): Promise<void> {
  mkdirSync(join(config.home, 'run'), { recursive: true, mode: 0o700 });
  const logFile = logFilePath(config.home);
  using _bounded = keepLogBounded(logFile);
  const tokensFile = ensureTokensFile(config.home, config.userName);
  let state: ServiceState = firstState(logFile, tokensFile);
  const publish = (change: Partial<ServiceState>) => {
    state = { ...state, ...change };
    writeServiceFile(config.home, state);
  };
  publish({});
  try {
    for (const setting of listenSettings(config.listen)) await checkPortFree(setting);
    const deps = { ...how, config, log, publish, tokensFile, clock: systemClock, logFd: openLog(logFile) };
    const supervisor = startSupervisor(deps);
    try {
      await Promise.race([supervisor.ready, aborted(signal)]);
      if (!signal.aborted && state.url !== undefined) {
        publish({ message: 'waiting for the node' });
        if (!(await how.untilUsable(state.url, tokensFile, signal))) log.warn('no node answers yet');
      }
      if (!signal.aborted) publish({ state: 'running', message: 'running' });
      await aborted(signal);
    } finally {
      await supervisor.stop();
    }
    removeServiceFile(config.home);
  } catch (thrown) {
    const { code, message, hint } = TvmError.from(thrown);
    publish({ state: 'failed', message, failure: { code, message, ...(hint && { hint }) } });
    throw thrown;
  }
}

function firstState(logFile: string, tokensFile: string): ServiceState {
  const self = identityOf(process.pid);
  if (!self) throw new TvmError('internal', '/proc does not show this process');
  return {
    ...self,
    startedAt: new Date().toISOString(),
    version: productVersion(),
    state: 'starting',
    message: 'starting',
    tokensFile,
    logFile,
    parts: {},
  };
}
