// Asks for as many flintlocks as the machines need, by the scale subresource of their Deployment. Run by the leader.
// Invariant: which pod goes is said before their number is lowered; a pod that goes all the same is drained as any other.
import { TvmError } from '@tvm/api/errors.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Reflector } from '@tvm/kit/controller/reflector.ts';
import { deploymentScales, type KubeClient, pods } from '@tvm/kit/kube/client.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { Pool } from '../engine/pool.ts';
import type { Fleet } from '../flintlock/fleet.ts';
import type { ScaleSetting } from '../flintlock-settings.ts';
import type { Tell } from '../own-events.ts';
import { pendingDemand } from './pending.ts';
import { planScale, type ScalableNode, type ScalePlan, startMs } from './plan.ts';

const lookEveryMs = 2_000;
const restAfterFailureMs = 15_000;
const costAnnotation = 'controller.kubernetes.io/pod-deletion-cost';

export interface ScalerDeps {
  client: KubeClient;
  setting: ScaleSetting;
  fleet: Fleet;
  microVms: Reflector<MicroVm>;
  pool: Pick<Pool, 'wanting'>;
  clock: Clock;
  log: Logger;
  tell: Tell;
}

/** Runs until the signal aborts. */
export async function scaleFlintlocks(deps: ScalerDeps, signal: AbortSignal): Promise<void> {
  const { clock, log, tell } = deps;
  const observer = makeObserver(deps);
  let complaint = '';
  while (!signal.aborted) {
    await clock.sleep(lookEveryMs, signal);
    if (signal.aborted || !deps.fleet.known) continue;
    try {
      await scaleOnce(deps, observer);
      complaint = '';
    } catch (thrown) {
      if (signal.aborted) return;
      const { message } = TvmError.from(thrown);
      log.warn({ why: message }, 'flintlocks not scaled, will try again');
      if (message !== complaint) tell('Warning', 'FlintlockNotScaled', `${message} (see deploy/overlays/elastic)`);
      complaint = message;
      await clock.sleep(restAfterFailureMs, signal);
    }
  }
}

type Observer = ReturnType<typeof makeObserver>;

/** What must be remembered between two looks: since when things are as they are. */
function makeObserver({ fleet, microVms, pool, clock }: ScalerDeps) {
  const idleSince = new Map<string, number>();
  let pendingSinceMs: number | undefined;
  let changedAtMs = clock.now();

  function nodes(nowMs: number): ScalableNode[] {
    const busy = new Map<string, number>();
    for (const { node, machine } of fleet.machines()) {
      const waits = machine.labels.owner === 'pool' && !machine.used;
      if (!waits && machine.labels.owner !== undefined) busy.set(node, (busy.get(node) ?? 0) + 1);
    }
    const views = fleet.nodes();
    for (const name of [...idleSince.keys()]) if (!views.some((view) => view.name === name)) idleSince.delete(name);
    return views.map(({ name, draining, reachable, sinceMs, info }) => {
      const starting = !reachable && nowMs - sinceMs < startMs;
      const busyMachines = busy.get(name) ?? 0;
      if (busyMachines > 0) idleSince.delete(name);
      else if (!idleSince.has(name)) idleSince.set(name, nowMs);
      return {
        name,
        draining,
        starting,
        memoryMiB: Number(info?.memoryMib ?? 0n),
        busyMachines,
        idleSinceMs: idleSince.get(name),
      };
    });
  }

  return {
    observe() {
      const nowMs = clock.now();
      const pending = pendingDemand({ microVms, pool });
      pendingSinceMs = pending.length === 0 ? undefined : (pendingSinceMs ?? nowMs);
      return { nodes: nodes(nowMs), pending, pendingSinceMs, changedAtMs, nowMs };
    },
    noteChange() {
      changedAtMs = clock.now();
    },
  };
}

async function scaleOnce(deps: ScalerDeps, observer: Observer): Promise<void> {
  const { client, setting } = deps;
  const { namespace, deployment, min, max } = setting;
  const scale = await client.get(deploymentScales, namespace, deployment);
  const replicas = scale.spec?.replicas ?? 0;
  const plan = planScale({ ...observer.observe(), replicas, min, max });
  if (plan.replicas === replicas) return;
  await setCosts(deps, plan);
  await client.patch(deploymentScales, namespace, deployment, { spec: { replicas: plan.replicas } });
  observer.noteChange();
  const message = `${namespace}/${deployment} from ${replicas} to ${plan.replicas}: ${plan.why}`;
  deps.log.info({ from: replicas, to: plan.replicas, why: plan.why }, 'flintlocks scaled');
  deps.tell('Normal', 'FlintlockScaled', message);
}

async function setCosts({ client, setting }: ScalerDeps, { costs }: ScalePlan): Promise<void> {
  for (const [name, cost] of costs) {
    const patch = { metadata: { annotations: { [costAnnotation]: String(cost) } } };
    await client.patch(pods, setting.namespace, name, patch).catch((error: TvmError) => {
      // A pod that is gone has no cost.
      if (error.code !== 'not_found') throw error;
    });
  }
}
