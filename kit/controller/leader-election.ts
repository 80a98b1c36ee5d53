// One of several replicas leads, by a Lease. Invariant: a replica stops leading before another may start, because it gives
// up after renewDeadlineMs without a renewal and the others wait leaseDurationMs since they last saw the Lease change, by
// their own clocks.
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '../clock.ts';
import { type KubeClient, type Lease, leases } from '../kube/client.ts';
import type { Logger } from '../log.ts';

/** A server that does not answer must not hold up the end of the process. */
const releaseDeadlineMs = 3_000;

export interface LeaderElectionDeps {
  client: KubeClient;
  clock: Clock;
  log: Logger;
  namespace: string;
  name: string;
  /** Unique among replicas; the same after a restart, so that a restarted replica goes on at once. */
  identity: string;
  leaseDurationMs?: number;
  renewDeadlineMs?: number;
  retryMs?: number;
}

/** One time of leading. */
export interface Term {
  /** Aborts when this replica no longer leads. */
  signal: AbortSignal;
  /** Whether it leads now by the clock: the signal of a process that was stopped for a while comes late. */
  lasts(): boolean;
}

/** Runs `lead` whenever this replica leads, until its term ends. Returns when `signal` aborts. */
export async function runWhileLeading(
  deps: LeaderElectionDeps,
  lead: (signal: AbortSignal, term: Term) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const election = makeElection(deps);
  while (!signal.aborted) {
    if (!(await election.tryHold())) {
      await deps.clock.sleep(election.retryMs, signal);
      continue;
    }
    deps.log.info({ lease: deps.name, identity: deps.identity }, 'leading');
    const term = new AbortController();
    const ended = AbortSignal.any([signal, term.signal]);
    const lasts = () => !ended.aborted && election.isFresh();
    const leading = lead(ended, { signal: ended, lasts }).finally(() => term.abort());
    await election.renewUntilLost(AbortSignal.any([signal, term.signal]));
    term.abort();
    await leading;
    await election.withDeadline(election.release(), releaseDeadlineMs);
    deps.log.info({ lease: deps.name, identity: deps.identity }, 'no longer leading');
  }
}

function makeElection(deps: LeaderElectionDeps) {
  const { client, clock, log, namespace, name, identity } = deps;
  const { leaseDurationMs = 15_000, renewDeadlineMs = 10_000, retryMs = 2_000 } = deps;
  /** The Lease as last seen, and when by our clock it was seen to change. */
  let seen: { version: string | undefined; atMs: number } | undefined;
  let renewedMs = 0;

  async function read(): Promise<Lease | undefined> {
    try {
      return await client.get(leases, namespace, name);
    } catch (error) {
      if (error instanceof TvmError && error.code === 'not_found') return undefined;
      throw error;
    }
  }

  async function attempt(): Promise<boolean> {
    const lease = await read();
    if (lease && lease.metadata.resourceVersion !== seen?.version) {
      seen = { version: lease.metadata.resourceVersion, atMs: clock.now() };
    }
    const holder = lease?.spec.holderIdentity;
    const free = !holder || holder === identity || clock.now() - (seen?.atMs ?? 0) > leaseDurationMs;
    if (!free) return false;
    const written = lease ? await client.update(leases, held(lease)) : await client.create(leases, held(undefined));
    seen = { version: written.metadata.resourceVersion, atMs: clock.now() };
    return true;
  }

  function held(lease: Lease | undefined): Lease {
    const now = new Date(clock.now()).toISOString().replace('Z', '000Z');
    const mine = lease?.spec.holderIdentity === identity;
    const spec = {
      holderIdentity: identity,
      leaseDurationSeconds: Math.round(leaseDurationMs / 1000),
      acquireTime: mine ? (lease.spec.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (lease?.spec.leaseTransitions ?? 0) + (mine || !lease ? 0 : 1),
    };
    return lease
      ? { ...lease, spec }
      : { apiVersion: leases.apiVersion, kind: leases.kind, metadata: { name, namespace }, spec };
  }

  async function tryHold(): Promise<boolean> {
    const beganMs = clock.now();
    try {
      const holds = await attempt();
      if (holds) renewedMs = Math.max(renewedMs, beganMs);
      return holds;
    } catch (error) {
      const lostRace = error instanceof TvmError && (error.code === 'aborted' || error.code === 'already_exists');
      if (!lostRace) log.warn({ why: TvmError.from(error).message, lease: name }, 'lease not acquired');
      return false;
    }
  }

  async function renewUntilLost(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && clock.now() - renewedMs < renewDeadlineMs) {
      await clock.sleep(retryMs, signal);
      if (signal.aborted) return;
      await withDeadline(tryHold(), renewDeadlineMs - (clock.now() - renewedMs));
    }
  }

  async function withDeadline(attempt: Promise<unknown>, ms: number): Promise<void> {
    const settled = new AbortController();
    await Promise.race([attempt, clock.sleep(ms, settled.signal)]);
    settled.abort();
  }

  /** Lets another replica lead at once; failing that it waits for the Lease to run out. */
  async function release(): Promise<void> {
    try {
      const lease = await read();
      if (lease?.spec.holderIdentity !== identity) return;
      await client.update(leases, { ...lease, spec: { ...lease.spec, holderIdentity: '' } });
    } catch (error) {
      log.debug({ err: error, lease: name }, 'lease not released');
    }
  }
  const isFresh = () => clock.now() - renewedMs < renewDeadlineMs;
  return { tryHold, renewUntilLost, release, withDeadline, isFresh, retryMs };
}
