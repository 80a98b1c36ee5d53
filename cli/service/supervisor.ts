// The one-machine service: starts its parts in order, starts again what ends, stops them in reverse order.
// Invariant: service.json tells what is; it is removed when everything has stopped.
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { Config } from '../config.ts';
import { type Part, startPart } from './part.ts';
import { type Learnt, needs, type PartSpec, specOf } from './part-specs.ts';
import { type PartName, partNames, type ServiceState } from './service-file.ts';

const backoff = { baseMs: 500, maxMs: 30_000 };
const startAttempts = 3;

export interface SupervisorDeps {
  config: Config;
  clock: Clock;
  log: Logger;
  logFd: number;
  tokensFile: string;
  /** Written whenever it changes. */
  publish: (change: Partial<ServiceState>) => void;
  endMachines: (address: string) => Promise<number>;
  /** Makes a part's command; tests give programs of their own. */
  specOf?: (name: PartName, config: Config, learnt: Learnt, tokensFile: string) => PartSpec;
}

export interface Supervisor {
  /** Resolves when every part serves; rejects with TvmError when one cannot be started. */
  ready: Promise<void>;
  stop(): Promise<void>;
}

export function startSupervisor(deps: SupervisorDeps): Supervisor {
  const { log, publish } = deps;
  const makeSpec = deps.specOf ?? specOf;
  const parts = new Map<PartName, Part>();
  const learnt: Learnt = {};
  const { promise: ready, resolve: allReady, reject: cannotStart } = Promise.withResolvers<void>();
  let stopping = false;

  const views = () => Object.fromEntries([...parts].map(([name, part]) => [name, part.view()]));

  function startWhatCan(): void {
    if (stopping) return;
    for (const name of partNames) {
      if (parts.has(name) || !needs[name].every((each) => learnt[each])) continue;
      log.info({ part: name }, 'starting');
      parts.set(name, start(name));
    }
    const waiting = partNames.filter((name) => !learnt[name]);
    publish({ parts: views(), message: waiting.length > 0 ? `starting ${waiting.join(', ')}` : 'running' });
    if (waiting.length === 0) allReady();
  }

  function start(name: PartName): Part {
    return startPart({
      clock: deps.clock,
      logFd: deps.logFd,
      backoff,
      spec: () => makeSpec(name, deps.config, learnt, deps.tokensFile),
      onReady(details) {
        log.info({ part: name, ...details }, 'serves');
        learnt[name] = details;
        publish(addressesOf(learnt));
        startWhatCan();
      },
      onEnd(why, failures, willRetryMs) {
        log.error({ part: name, why, willRetryMs }, 'ended, will be started again');
        if (!learnt[name] && failures >= startAttempts) cannotStart(partFailed(name, why));
      },
      onChange: () => publish({ parts: views() }),
    });
  }

  async function endAllMachines(): Promise<void> {
    const address = learnt.flintlock?.address;
    if (!address || parts.get('flintlock')?.view().state !== 'running') return;
    publish({ message: 'ending machines' });
    try {
      log.info({ machines: await deps.endMachines(address) }, 'machines ended');
    } catch (err) {
      log.error({ err }, 'some machines were not ended');
    }
  }

  async function stop(): Promise<void> {
    stopping = true;
    publish({ state: 'stopping', message: 'stopping lime-ctrl' });
    await parts.get('lime-ctrl')?.stop();
    await endAllMachines();
    for (const name of ['flintlock', 'apiserver'] as const) {
      publish({ message: `stopping ${name}` });
      await parts.get(name)?.stop();
    }
  }

  startWhatCan();
  return { ready, stop };
}

function addressesOf(learnt: Learnt): Partial<ServiceState> {
  const { url } = learnt['lime-ctrl'] ?? {};
  const { kubeconfig } = learnt.apiserver ?? {};
  const { address } = learnt.flintlock ?? {};
  return { ...(url && { url }), ...(kubeconfig && { kubeconfig }), ...(address && { flintlock: address }) };
}

function partFailed(part: PartName, why: string): TvmError {
  return new TvmError('unavailable', `${part} does not start: ${why}`, { reason: 'PartFailed' });
}
