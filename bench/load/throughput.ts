// Many executes: at once, and one after another by a few clients.
import { timesOf } from '../measure/statistics.ts';
import type { Service } from '../product/service.ts';
import { untilAtRest } from '../product/waiting.ts';
import { executePatiently, type Patient } from './patient-execute.ts';
import { type Figure, type Probe, ProbeFailure } from './probe.ts';

export function makeBurstProbe(service: () => Promise<Service>, count: number): Probe {
  return {
    id: 'burst',
    name: `burst of ${count} executes`,
    what: `${count} requests at once; those told to come again do so after Retry-After`,
    run: async () => {
      const normal = await service();
      await untilAtRest(normal);
      const began = performance.now();
      const outcomes = await Promise.allSettled(
        Array.from({ length: count }, (_, number) => executePatiently(normal.rest, number)),
      );
      const allMs = performance.now() - began;
      const done = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
      const failed = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [String(outcome.reason)] : []));
      const figures = burstFigures(done, failed.length, allMs);
      if (failed.length > 0) throw new ProbeFailure(`${failed.length} of ${count} failed: ${failed[0]}`, figures);
      return figures;
    },
  };
}

function burstFigures(done: Patient[], failed: number, allMs: number): Figure[] {
  const { medianMs, p99Ms } = timesOf(done.length > 0 ? done.map(({ ms }) => ms) : [0]);
  return [
    { id: 'all', name: 'until all had their result', value: allMs, unit: 'ms' },
    { id: 'median', name: 'request to result, median', value: medianMs, unit: 'ms' },
    { id: 'p99', name: 'request to result, p99', value: p99Ms, unit: 'ms' },
    { id: 'refusals', name: 'told to come again', value: done.reduce((sum, each) => sum + each.refusals, 0), unit: '' },
    { id: 'failed', name: 'failed', value: failed, unit: '' },
  ];
}

export function makeSustainedProbe(service: () => Promise<Service>, clients: number, seconds: number): Probe {
  return {
    id: 'sustained',
    name: `executes a second, ${clients} clients`,
    what: `each client asks again as soon as it has its result, for ${seconds} s`,
    run: async () => {
      const normal = await service();
      await untilAtRest(normal);
      const began = performance.now();
      const results: Patient[] = [];
      const client = async (number: number) => {
        while (performance.now() - began < seconds * 1000) results.push(await executePatiently(normal.rest, number));
      };
      await Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
      const tookSeconds = (performance.now() - began) / 1000;
      const { medianMs, p99Ms } = timesOf(results.map(({ ms }) => ms));
      const warm = results.filter(({ start }) => start === 'warm').length;
      return [
        { id: 'rate', name: 'executes a second', value: results.length / tookSeconds, unit: '/s' },
        { id: 'median', name: 'request to result, median', value: medianMs, unit: 'ms' },
        { id: 'p99', name: 'request to result, p99', value: p99Ms, unit: 'ms' },
        { id: 'warm', name: 'in a machine that waited', value: (100 * warm) / results.length, unit: '%' },
      ];
    },
  };
}
