// The services that are compared, each with settings that leave one way to start a machine. Started when first asked for.
import type { Scope } from '../host/scope.ts';
import { type Service, startService } from './service.ts';
import { untilTemplate, untilWaiting } from './waiting.ts';

export interface Services {
  /** As it is by default: machines wait, made from a snapshot. */
  normal: () => Promise<Service>;
  /** No machine waits: each run is restored from a snapshot. */
  restoring: () => Promise<Service>;
  /** Neither waiting machines nor snapshots: each run boots one. */
  booting: () => Promise<Service>;
  /** Machines that execute nothing: what is left is the product's own time. */
  fake: () => Promise<Service>;
}

export interface ServicesDeps {
  scope: Scope;
  environment: NodeJS.ProcessEnv;
  /** Found out once for all of them. */
  accelerator: () => Promise<'kvm' | 'tcg'>;
  say: (message: string) => void;
}

export function makeServices({ scope, environment, accelerator, say }: ServicesDeps): Services {
  const service = (name: string, settings: Record<string, string>, settle: (service: Service) => Promise<void>) =>
    scope.lazy(async () => {
      say(`starting the service "${name}"`);
      const all = { TVM_ACCELERATOR: await accelerator(), ...settings };
      const started = await startService({ scope, name, environment, settings: all });
      await settle(started);
      return started;
    });
  return {
    normal: service('normal', {}, async (started) => {
      await untilTemplate(started);
      await warmUp(started, 10);
    }),
    restoring: service('restoring', { TVM_POOL: 'off' }, untilTemplate),
    booting: service('booting', { TVM_POOL: 'off', TVM_TEMPLATES: 'off' }, async () => {}),
    fake: service('fake', { TVM_DRIVER: 'fake' }, async (started) => await warmUp(started, 50)),
  };
}

/** A service that has just started still compiles its code: that is not what its users see. */
async function warmUp(service: Service, runs: number): Promise<void> {
  for (let run = 0; run < runs; run += 1) {
    await untilWaiting(service);
    await service.rest.execute({ code: '' });
  }
  await untilWaiting(service);
}
