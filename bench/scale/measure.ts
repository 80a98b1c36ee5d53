// The run: more and more MicroVMs, some changed at each count, a while of nothing, all deleted.
import { quantile } from '../measure/statistics.ts';
import type { Requests } from './audit.ts';
import { total, withoutLeases } from './audit.ts';
import { type Effort, effortOf, etcdMiB } from './facts.ts';
import { type Load, numbersUpTo } from './load.ts';
import type { ScaleOptions } from './options.ts';
import type { World } from './world.ts';

/** How many, how long each took, what lime-ctrl did for them. */
export interface Phase {
  objects: number;
  p50Ms: number;
  p99Ms: number;
  /** All of them, until the last was as wanted. */
  allMs: number;
  effort: Effort;
}

export interface Step {
  /** MicroVMs that are declared at the end of it. */
  count: number;
  create: Phase;
  touch: Phase;
  etcdMiB: number;
}

export interface Steady {
  seconds: number;
  /** But for leases. */
  requests: Requests;
  leaseRequests: number;
  /** Of a processor, in percent. */
  cpuPercent: number;
  reconciles: number;
}

export interface ScaleFigures {
  /** Before the first MicroVM. */
  empty: { residentMiB: number; etcdMiB: number };
  steps: Step[];
  steady: Steady;
  remove: Phase;
}

export interface MeasureDeps {
  world: World;
  load: Load;
  options: Pick<ScaleOptions, 'counts' | 'touched' | 'steadySeconds'>;
  say: (message: string) => void;
}

export async function measureScale(deps: MeasureDeps): Promise<ScaleFigures> {
  const { world, options, say } = deps;
  const { residentMiB } = await effortOf(world, async () => {});
  const empty = { residentMiB, etcdMiB: await etcdMiB(world) };
  const steps: Step[] = [];
  for (const count of options.counts) steps.push(await measureStep(deps, steps.at(-1)?.count ?? 0, count));
  say(`nothing for ${options.steadySeconds} s`);
  const steady = await measureSteady(world, options.steadySeconds);
  const last = options.counts.at(-1) ?? 0;
  say(`deleting ${last}`);
  const remove = await phaseOf(world, () => deps.load.remove(numbersUpTo(last)));
  return { empty, steps, steady, remove };
}

async function measureStep({ world, load, options, say }: MeasureDeps, from: number, count: number): Promise<Step> {
  say(`declaring ${from + 1} to ${count}`);
  const create = await phaseOf(world, () => load.create(numbersUpTo(count, from)));
  say(`${count} run: ${sayPhase(create)}; pausing and resuming ${options.touched}`);
  const touch = await phaseOf(world, () => load.touch(spread(count, options.touched)));
  say(`changed: ${sayPhase(touch)}`);
  return { count, create, touch, etcdMiB: await etcdMiB(world) };
}

/** So many numbers, evenly among all. */
function spread(count: number, wanted: number): number[] {
  return numbersUpTo(wanted).map((index) => Math.floor((index * count) / wanted));
}

async function phaseOf(world: World, work: () => Promise<number[]>): Promise<Phase> {
  let times: number[] = [];
  let allMs = 0;
  const effort = await effortOf(world, async () => {
    const began = performance.now();
    times = await work();
    allMs = performance.now() - began;
  });
  const sorted = times.toSorted((a, b) => a - b);
  return { objects: times.length, p50Ms: quantile(sorted, 0.5), p99Ms: quantile(sorted, 0.99), allMs, effort };
}

async function measureSteady(world: World, seconds: number): Promise<Steady> {
  const { cpuMs, requests, reconciles } = await effortOf(world, () => sleep(seconds * 1000));
  const others = withoutLeases(requests);
  const leaseRequests = total(requests) - total(others);
  return { seconds, requests: others, leaseRequests, cpuPercent: cpuMs / seconds / 10, reconciles };
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

function sayPhase({ objects, p50Ms, p99Ms, effort }: Phase): string {
  const { reconcileP99Ms = 0, cpuMs, requests } = effort;
  return [
    `p50 ${p50Ms.toFixed(0)} ms, p99 ${p99Ms.toFixed(0)} ms`,
    `reconcile p99 ${reconcileP99Ms.toFixed(1)} ms`,
    `${(cpuMs / objects).toFixed(1)} ms of a processor and ${(total(withoutLeases(requests)) / objects).toFixed(2)} requests each`,
  ].join(', ');
}
