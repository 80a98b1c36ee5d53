// Forks of a machine that runs: how long until all of them run.
import type { ForkView } from '@tvm/api/rest/snapshots.ts';
import type { Service } from '../product/service.ts';
import { deleteMachines, untilRunning, withDeclaredMachine } from './declared-machine.ts';
import type { Figure, Probe } from './probe.ts';

export function makeForkProbe(service: () => Promise<Service>, counts: readonly number[]): Probe {
  return {
    id: 'fork',
    name: `fork of a running machine into ${counts.join(', ')}`,
    what: 'POST /v1/microvms/NAME/fork until every child runs, memory and processes continued',
    run: async () => {
      const { rest } = await service();
      return await withDeclaredMachine(rest, async (name) => {
        const figures: Figure[] = [];
        for (const count of counts) {
          const began = performance.now();
          const names = Array.from({ length: count }, (_, index) => `${name}-${count}-${index}`);
          await rest.json<ForkView>('POST', `/v1/microvms/${name}/fork`, { names });
          await untilRunning(rest, names);
          figures.push({
            id: `fork-${count}`,
            name: `${count}, all run`,
            value: performance.now() - began,
            unit: 'ms',
          });
          await deleteMachines(rest, (each) => names.includes(each));
        }
        return figures;
      });
    },
  };
}
