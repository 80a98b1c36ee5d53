// Keeps namespaces within their limits: counts what each has and says what is too much.
// Invariants: what was admitted counts at once, also before the cache shows it, so that many at once do not slip through
// together; a machine counts once; what is not limited is not counted.
import { TvmError } from '@tvm/api/errors.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import type { MicroVmPool } from '@tvm/api/kinds/microvm-pool.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Reflector } from '@tvm/kit/controller/reflector.ts';
import {
  type Limits,
  limitsOf,
  nothing,
  plus,
  type ResourceQuota,
  type Size,
  sizeOf,
  times,
  whyTooMuch,
} from './limits.ts';
import { type PoolGrant, poolGrants } from './pool-grants.ts';

/** After this what was admitted shows in the cache, or did not begin. */
const admittedMs = 30_000;
const retryAfterSeconds = 2;
/** The reason in conditions, Events and problems. */
export const quotaExceeded = 'QuotaExceeded';

export interface Quota {
  /** Takes note that the MicroVM's machine is about to start. Otherwise says why it may not. */
  admit(vm: MicroVm): string | undefined;
  /** For one run, until disposed. Throws resource_exhausted. */
  claim(namespace: string, shape: { cpu: number; memory: number }): Disposable;
  /** How many machines the pool may keep waiting; undefined: as many as it says. */
  grant(pool: MicroVmPool): number | undefined;
  /** What the namespace has now. */
  used(namespace: string): Size;
  limits(namespace: string): Limits;
}

export interface QuotaDeps {
  microVms: Pick<Reflector<MicroVm>, 'list' | 'subscribe'>;
  /** All MicroVMPools, as the cache has them. */
  pools: () => Iterable<MicroVmPool>;
  /** All ResourceQuotas, as the cache has them. */
  quotas: () => Iterable<ResourceQuota>;
  /** For what no ResourceQuota of a namespace names. */
  fallback: Limits;
  clock: Clock;
}

export function makeQuota({ microVms, pools, quotas, fallback, clock }: QuotaDeps): Quota {
  const admitted = new Map<string, { vm: MicroVm; untilMs: number }>();
  const runs = new Map<string, Size>();
  // From then on the cache tells, also of its end.
  microVms.subscribe(({ object, previous }) => {
    if (!object || holdsMachine(object)) admitted.delete((object ?? previous)?.metadata.uid ?? '');
  });

  function limits(namespace: string): Limits {
    return limitsOf(
      [...quotas()].filter(({ metadata }) => metadata.namespace === namespace),
      fallback,
    );
  }

  function grants(namespace: string): PoolGrant[] {
    const own = [...pools()].filter(({ metadata }) => metadata.namespace === namespace);
    return poolGrants(own, limits(namespace));
  }

  /** Of MicroVMs but the one with this uid, of pools, and of runs. */
  function usedBeside(namespace: string, uid: string | undefined): Size {
    const counted = new Map<string | undefined, Size>();
    for (const [key, { vm, untilMs }] of admitted) {
      if (untilMs <= clock.now()) admitted.delete(key);
      else if (vm.metadata.namespace === namespace) counted.set(key, sizeOf(vm.spec));
    }
    for (const vm of microVms.list()) {
      if (vm.metadata.namespace === namespace && holdsMachine(vm)) counted.set(vm.metadata.uid, sizeOf(vm.spec));
    }
    counted.delete(uid);
    const sizes = [...counted.values(), ...grants(namespace).map(({ size }) => size)];
    return sizes.reduce(plus, runs.get(namespace) ?? nothing);
  }

  const isLimited = (limit: Limits) => Object.keys(limit).length > 0;

  function refusal(namespace: string, size: Size, uid?: string): string | undefined {
    const limit = limits(namespace);
    return isLimited(limit) ? whyTooMuch(limit, usedBeside(namespace, uid), size) : undefined;
  }

  return {
    limits,
    used: (namespace) => usedBeside(namespace, undefined),
    grant({ metadata: { namespace = '', name } }) {
      if (!isLimited(limits(namespace))) return undefined;
      return grants(namespace).find(({ pool }) => pool.metadata.name === name)?.machines ?? 0;
    },
    admit(vm) {
      const { namespace = '', uid = '' } = vm.metadata;
      const why = refusal(namespace, sizeOf(vm.spec), uid);
      if (why === undefined && isLimited(limits(namespace))) {
        admitted.set(uid, { vm, untilMs: clock.now() + admittedMs });
      }
      return why;
    },
    claim(namespace, shape) {
      const size = sizeOf(shape);
      const why = refusal(namespace, size);
      if (why !== undefined) throw tooMuch(namespace, why);
      runs.set(namespace, plus(runs.get(namespace) ?? nothing, size));
      let held = true;
      return {
        [Symbol.dispose]() {
          if (!held) return;
          held = false;
          const left = plus(runs.get(namespace) ?? nothing, times(size, -1));
          if (left.machines > 0) runs.set(namespace, left);
          else runs.delete(namespace);
        },
      };
    },
  };
}

/** From the moment that a node is chosen until its machine has ended. */
function holdsMachine({ status = {} }: MicroVm): boolean {
  const { host, phase, reason } = status;
  return host !== undefined && phase !== 'Stopped' && phase !== 'Failed' && reason !== quotaExceeded;
}

function tooMuch(namespace: string, why: string): TvmError {
  return new TvmError('resource_exhausted', `the quota of namespace ${namespace} is used up: ${why}`, {
    object: `namespace/${namespace}`,
    reason: quotaExceeded,
    hint: 'Try again when other machines of the namespace have ended, or have its ResourceQuota raised.',
    retryAfterSeconds,
  });
}
