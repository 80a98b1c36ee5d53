// What to do next so that the kubelet knows this plugin, as a pure function of what is seen.
//
//   waiting for the folder, for kubelet.sock -> listen -> (an older plugin serves: stand by) -> register -> registered
//        ^                                                                                                      |
//        +------------- withdraw: socket gone, another kubelet, no watch, an older plugin, a failure -----------+
//
// Each attempt has a socket name of its own: a kubelet that still holds the last one refuses to register it again.

export interface World {
  /** The kubelet's device-plugins folder exists. */
  folder: boolean;
  /** Which kubelet.sock is there; another value is another kubelet. */
  kubelet: string | undefined;
  /** The socket that this process listens on, and whether it is still in the folder. */
  endpoint: { inPlace: boolean } | undefined;
  /** Another plugin of this resource answers, on a socket older than ours. */
  elder: boolean;
  /** Sockets of plugins of this resource that nobody answers on. */
  leftovers: readonly string[];
  /** Since when which kubelet knows the endpoint, and whether it watches it. */
  registration: { kubelet: string; atMs: number; watch: 'none yet' | 'open' | 'ended' } | undefined;
  /** The attempts that failed in a row, the last of them when, and with which kubelet. */
  failures: { count: number; atMs: number; kubelet: string | undefined };
}

export type Action = 'sweep' | 'listen' | 'register' | 'withdraw' | 'fail';

export type Phase = 'no folder' | 'no kubelet' | 'backing off' | 'standing by' | 'registering' | 'registered';

export interface Plan {
  phase: Phase;
  /** None: wait for a change. `fail` is to withdraw, and counts as a failed attempt. */
  action?: Action;
  why?: string;
  /** How long to wait at most before looking again, when there is no action. */
  waitMs: number;
}

export const lookAgainMs = 5000;
export const standbyMs = 1000;
/** A kubelet that accepted a registration opens its watch at once. */
export const watchDeadlineMs = 10_000;
const backoffsMs = [1000, 2000, 5000, 10_000];

export function planRegistration(world: World, nowMs: number): Plan {
  const { endpoint, registration } = world;
  if (registration) return planRegistered(world, registration, nowMs);
  if (endpoint && !endpoint.inPlace) return withdraw('the socket vanished from the folder');
  if (!world.folder) return { phase: 'no folder', waitMs: lookAgainMs };
  if (world.kubelet === undefined) return { phase: 'no kubelet', waitMs: lookAgainMs };
  if (world.leftovers.length > 0) return act('sweep', 'a plugin that ended left its socket');
  const backoffMs = backoffLeftMs(world, nowMs);
  if (backoffMs > 0) return { phase: 'backing off', waitMs: backoffMs };
  if (!endpoint) return act('listen', 'the kubelet is there');
  if (world.elder) return { phase: 'standing by', waitMs: standbyMs };
  return act('register', 'the socket answers');
}

function planRegistered(world: World, registration: NonNullable<World['registration']>, nowMs: number): Plan {
  if (registration.kubelet !== world.kubelet) {
    return withdraw(world.kubelet === undefined ? 'the kubelet stopped' : 'another kubelet started');
  }
  if (world.elder) return withdraw('an older plugin serves the same resource');
  // The same kubelet is asked again after a while: some take the end of the old watch for the end of the new one.
  if (!world.endpoint?.inPlace) return act('fail', 'the socket vanished from the folder');
  if (registration.watch === 'ended') return act('fail', 'the kubelet ended its watch');
  if (registration.watch === 'open') return { phase: 'registered', waitMs: lookAgainMs };
  const leftMs = registration.atMs + watchDeadlineMs - nowMs;
  if (leftMs > 0) return { phase: 'registering', waitMs: leftMs };
  return act('fail', 'the kubelet registered the plugin and does not watch it');
}

/** A new kubelet is asked at once, whatever the last one did. */
function backoffLeftMs({ failures, kubelet }: World, nowMs: number): number {
  if (failures.count === 0 || failures.kubelet !== kubelet) return 0;
  const backoffMs = backoffsMs[Math.min(failures.count, backoffsMs.length) - 1] ?? 0;
  // A clock that was set back does not make the wait longer.
  return Math.min(backoffMs, Math.max(0, failures.atMs + backoffMs - nowMs));
}

function withdraw(why: string): Plan {
  return act('withdraw', why);
}

function act(action: Action, why: string): Plan {
  return { phase: 'registering', action, why, waitMs: 0 };
}
