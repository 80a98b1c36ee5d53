// What only the leader does: the controllers, the certificates, the end of dead replicas' machines, the number of flintlocks.
// Invariant: all of it acts through the fence of its term.
import type { Term } from '@tvm/kit/controller/leader-election.ts';
import { keepCertificates } from './certificates/keeper.ts';
import type { Config } from './config.ts';
import { type ControllersDeps, runControllers } from './controllers.ts';
import type { OpenFleet } from './flintlock/open-fleet.ts';
import type { Tell } from './own-events.ts';
import { fencedFleet, fencedKube } from './replicas/fence.ts';
import { reapDeadReplicas } from './replicas/reaper.ts';
import type { Replicas } from './replicas/replicas.ts';
import { scaleFlintlocks } from './scaling/scaler.ts';

export interface LeadDeps extends ControllersDeps {
  /** Whose certificates are kept; undefined: nobody's. */
  names: OpenFleet['names'];
  pod: Config['pod'];
  scale: Config['scale'];
  replicas: Replicas;
  tell: Tell;
}

/** Runs until the term is over. */
export async function lead(deps: LeadDeps, term: Term): Promise<void> {
  const { names, pod, scale, clock, log, tell } = deps;
  const fenced = { ...deps, client: fencedKube(deps.client, term), fleet: fencedFleet(deps.fleet, term) };
  const { client } = fenced;
  await Promise.all([
    runControllers(fenced, term.signal),
    names && keepCertificates({ client, names, clock, log, tell }, term.signal),
    scale && scaleFlintlocks({ ...fenced, setting: scale }, term.signal),
    pod && reapDeadReplicas({ ...fenced, namespace: pod.namespace }, term.signal),
  ]);
}
