// The product's own ways to run a snippet, timed from the outside.
import type { StartKind } from '@tvm/api/rest/execute.ts';
import type { Scenario } from '../measure/sample.ts';
import { expectOutput, type Snippet } from '../snippet.ts';
import { makeRpcMachine, type RpcMachine } from './rpc-machine.ts';
import type { Service } from './service.ts';
import type { Services } from './services.ts';
import { untilWaiting } from './waiting.ts';

type GetService = () => Promise<Service>;

export function makeProductScenarios(services: Services, snippet: Snippet): Scenario[] {
  const { normal, restoring, booting, fake } = services;
  return [
    {
      ...executeScenario(normal, snippet, 'warm'),
      ...{ id: 'warm', name: 'execute, warm', perRound: 12, ...amongWaiting(normal) },
      what: 'POST /v1/execute with a waiting machine: request to result',
    },
    {
      ...executeScenario(restoring, snippet, 'restored'),
      ...{ id: 'restored', name: 'execute, restored', perRound: 2 },
      what: 'the same when none waits: a machine is restored from the snapshot for it',
    },
    {
      ...executeScenario(booting, snippet, 'booted'),
      ...{ id: 'cold', name: 'execute, cold' },
      what: 'the same without any snapshot: a machine boots for it',
    },
    commandScenario(normal, snippet),
    rpcScenario(restoring, snippet, {
      ...{ id: 'rpc-warm', name: "flintlock's Exec, warm" },
      what: 'Exec by RPC alone in a waiting machine: resumed, renewed, run',
    }),
    {
      ...executeScenario(fake, snippet, 'warm'),
      ...{ id: 'fake-warm', kind: 'stage', name: 'execute, no VM', perRound: 6 },
      ...amongWaiting(fake),
      what: 'execute, warm, with machines that execute nothing: what the product itself takes',
    },
    {
      ...rpcScenario(fake, snippet, {
        ...{ id: 'fake-rpc', name: "flintlock's Exec, no VM" },
        what: 'Exec by RPC alone of such a machine; execute, no VM, less this is the control plane',
      }),
      perRound: 6,
    },
  ];
}

/** A machine waits before the run; the one that takes its place is not made in the time of whatever runs next. */
function amongWaiting(service: GetService): Required<Pick<Scenario, 'prepare' | 'after'>> {
  const wait = async () => await untilWaiting(await service());
  return { prepare: wait, after: wait };
}

type Named = Pick<Scenario, 'id' | 'name' | 'what'>;

function executeScenario(service: GetService, snippet: Snippet, start: StartKind): Omit<Scenario, keyof Named> {
  return {
    kind: 'product',
    setup: async () => void (await service()),
    run: async () => {
      const { rest } = await service();
      const { stdout, machine } = await rest.execute({ code: snippet.code });
      expectOutput('execute', snippet, stdout);
      if (machine.start !== start) throw new Error(`the machine was ${machine.start}, not ${start}`);
    },
  };
}

function commandScenario(service: GetService, snippet: Snippet): Scenario {
  return {
    ...{ id: 'vvm', kind: 'product', name: 'vvm execute, warm', perRound: 2 },
    what: 'the whole command, process start included, with a waiting machine',
    setup: async () => void (await service()),
    ...amongWaiting(service),
    run: async () => {
      const { vvm } = await service();
      expectOutput('vvm execute', snippet, await vvm('execute', snippet.code));
    },
  };
}

function rpcScenario(service: GetService, snippet: Snippet, named: Named): Scenario {
  let machine: RpcMachine | undefined;
  return {
    ...{ ...named, kind: 'stage', perRound: 3 },
    setup: async () => void (await service()),
    prepare: async () => {
      machine = await makeRpcMachine((await service()).flintlock);
    },
    run: async () => {
      if (!machine) throw new Error('no machine was prepared');
      await machine.run(snippet);
    },
    after: async () => {
      await machine?.destroy();
      machine = undefined;
    },
  };
}
