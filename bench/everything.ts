// All scenarios and probes, put together: what is run in turn, and what loads the product afterwards.
import { makeBareScenarios } from './bare/scenarios.ts';
import type { BareHost } from './bare/vmm.ts';
import type { Scope } from './host/scope.ts';
import { makeEnduranceProbe } from './load/endurance.ts';
import { makeForkProbe } from './load/fork.ts';
import { makeIdleProbe } from './load/idle.ts';
import type { Probe } from './load/probe.ts';
import { makeSnapshotProbe } from './load/snapshot.ts';
import { makeBurstProbe, makeSustainedProbe } from './load/throughput.ts';
import type { Scenario } from './measure/sample.ts';
import type { Options } from './options.ts';
import { makePeerScenarios } from './peers/container.ts';
import { makeMcpScenarios } from './product/mcp-scenarios.ts';
import { makeProductScenarios } from './product/scenarios.ts';
import { makeServices } from './product/services.ts';
import { printOne } from './snippet.ts';

export interface EverythingDeps {
  scope: Scope;
  host: () => Promise<BareHost>;
  environment: NodeJS.ProcessEnv;
  path: string;
  options: Options;
  say: (message: string) => void;
}

const sustainedClients = 2;

export function makeEverything(deps: EverythingDeps): { scenarios: Scenario[]; probes: Probe[] } {
  const { scope, host, environment, path, options, say } = deps;
  const accelerator = async () => (await host()).accelerator;
  const services = makeServices({ scope, environment, accelerator, say });
  const { normal, restoring } = services;
  const scenarios = [
    ...makePeerScenarios({ scope, rootPath: async () => (await host()).rootPath, snippet: printOne, path }),
    ...makeBareScenarios({ scope, host }, printOne),
    ...makeProductScenarios(services, printOne),
    ...makeMcpScenarios(services.fake),
  ];
  const atMost = ({ perRound = 1 }: Scenario) => ({ perRound: Math.min(perRound, options.maxPerRound) });
  return {
    scenarios: scenarios.map((scenario) => ({ ...scenario, ...atMost(scenario) })),
    probes: [
      makeBurstProbe(normal, options.burst),
      makeSustainedProbe(normal, sustainedClients, options.sustainedSeconds),
      makeEnduranceProbe({ service: normal, count: options.endurance, say }),
      makeForkProbe(restoring, options.forks),
      makeSnapshotProbe(restoring),
      makeIdleProbe(restoring, options.idle),
    ],
  };
}
