// Executes one after another: nothing may have grown afterwards.
import type { Service } from '../product/service.ts';
import { until, untilAtRest } from '../product/waiting.ts';
import { footprintOf, growthOf } from './footprint.ts';
import { executePatiently } from './patient-execute.ts';
import type { Probe } from './probe.ts';

export interface EnduranceOptions {
  service: () => Promise<Service>;
  count: number;
  say: (message: string) => void;
}

/** Code is compiled and buffers find their size in the first runs, which do not count. */
const warmUpShare = 0.2;
/** What demand added to the pool is given back within this. */
const settleMs = 90_000;
const sayEvery = 50;

export function makeEnduranceProbe({ service, count, say }: EnduranceOptions): Probe {
  const warmUp = Math.ceil(count * warmUpShare);
  return {
    id: 'endurance',
    name: `${count} executes one after another`,
    what: `after ${warmUp} that do not count; before and after when the pool is at rest`,
    run: async () => {
      const normal = await service();
      const runAll = async (runs: number) => {
        for (let number = 0; number < runs; number += 1) {
          await executePatiently(normal.rest, number);
          if ((number + 1) % sayEvery === 0) say(`${number + 1}/${runs} executes`);
        }
      };
      await runAll(warmUp);
      await untilAtRest(normal, settleMs);
      const before = await footprintOf(normal);
      const began = performance.now();
      await runAll(count);
      const eachMs = (performance.now() - began) / count;
      await untilAtRest(normal, settleMs);
      await until(
        'spent machines are gone',
        async () => (await footprintOf(normal)).processes <= before.processes,
        settleMs,
      ).catch(
        () => undefined, // the figures tell
      );
      return [
        { id: 'each', name: 'each, with the time until a machine waits again', value: eachMs, unit: 'ms' },
        ...growthOf(before, await footprintOf(normal)),
      ];
    },
  };
}
