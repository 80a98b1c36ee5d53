// How much lime-ctrl has done and has, at one moment; two moments give what came between them.
import { readFileSync } from 'node:fs';
import { residentMiB } from '@tvm/test/e2e/host-facts.ts';
import { type Requests, total, withoutLeases } from './audit.ts';
import { type Buckets, bucketsOf, fetchSamples, quantileOf, since, sumOf } from './prometheus.ts';
import type { World } from './world.ts';

/** Of one process, in the ticks of /proc, which are 10 ms on Linux. */
const tickMs = 10;
const durations = 'tvm_reconcile_duration_seconds';
const microVmController = { controller: 'microvm' };

interface Moment {
  reconciles: Buckets;
  cpuMs: number;
}

/** What came between two moments, and what there is at the second. */
export interface Effort {
  reconciles: number;
  /** Undefined when there was no reconcile. */
  reconcileP50Ms: number | undefined;
  reconcileP99Ms: number | undefined;
  cpuMs: number;
  requests: Requests;
  residentMiB: number;
}

export async function momentOf({ lime }: World): Promise<Moment> {
  return { reconciles: bucketsOf(await lime.samples(), durations, microVmController), cpuMs: cpuMsOf(lime.pid) };
}

/** Runs `work`, waits until lime-ctrl is at rest, and tells what it did for it. */
export async function effortOf(world: World, work: () => Promise<void>): Promise<Effort> {
  await untilAtRest(world);
  const before = await momentOf(world);
  await world.audit.next();
  await work();
  const requests = await untilAtRest(world);
  const after = await momentOf(world);
  const reconciles = since(before.reconciles, after.reconciles);
  const inMs = (q: number) => {
    const seconds = quantileOf(reconciles, q);
    return seconds === undefined ? undefined : seconds * 1000;
  };
  return {
    reconciles: [...reconciles.values()].at(-1) ?? 0,
    ...{ reconcileP50Ms: inMs(0.5), reconcileP99Ms: inMs(0.99) },
    cpuMs: after.cpuMs - before.cpuMs,
    requests,
    residentMiB: residentMiB(world.lime.pid),
  };
}

const lookMs = 500;
const restfulLooks = 3;
const restDeadlineMs = 120_000;

/** Nothing in a queue, and nothing asked of the API server but leases, for a while. Gives what was asked until then. */
export async function untilAtRest({ lime, audit }: World): Promise<Requests> {
  const asked: Requests = {};
  const deadline = performance.now() + restDeadlineMs;
  for (let quiet = 0; quiet < restfulLooks; ) {
    if (performance.now() > deadline) throw new Error(`lime-ctrl is not at rest after ${restDeadlineMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, lookMs));
    const requests = await audit.next();
    for (const [name, count] of Object.entries(requests)) asked[name] = (asked[name] ?? 0) + count;
    const isQuiet = total(withoutLeases(requests)) === 0 && sumOf(await lime.samples(), 'tvm_queue_depth') === 0;
    quiet = isQuiet ? quiet + 1 : 0;
  }
  return asked;
}

function cpuMsOf(pid: number): number {
  // The name in parentheses may have spaces; utime and stime are the 14th and 15th field.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}

/** What etcd has in use, MB. */
export async function etcdMiB({ etcdUrl }: World): Promise<number> {
  return sumOf(await fetchSamples(`${etcdUrl}/metrics`), 'etcd_mvcc_db_total_size_in_use_in_bytes') / 2 ** 20;
}
