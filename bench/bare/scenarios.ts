// The floor, timed: boot and restore of bare QEMU, and the parts of a warm run that are left when the product is taken away.
import { randomBytes, randomUUID } from 'node:crypto';
import type { GuestConnection } from '@tvm/flintlock/guest/connection.ts';
import { configure } from '@tvm/flintlock/guest/machine.ts';
import { runProcess } from '@tvm/flintlock/guest/processes.ts';
import type { Scenario } from '../measure/sample.ts';
import { expectOutput, type Snippet } from '../snippet.ts';
import { pythonProcess } from './python-process.ts';
import { makeSnapshot, prime, restore } from './snapshot.ts';
import { type BareDeps, type BareVmm, bootArguments, startVmm } from './vmm.ts';

export function makeBareScenarios(deps: BareDeps, snippet: Snippet): Scenario[] {
  const snapshot = deps.scope.lazy(() => makeSnapshot(deps));
  const clone = async () => await restore(deps, await snapshot());
  const setup = async () => void (await snapshot());
  return [
    bootScenario(deps, snippet),
    restoreScenario(clone, setup, snippet),
    ...stageScenarios(clone, setup, snippet),
  ];
}

function bootScenario(deps: BareDeps, snippet: Snippet): Scenario {
  let vmm: BareVmm | undefined;
  return {
    ...{ id: 'bare-boot', kind: 'bare', name: 'bare QEMU, boot' },
    what: 'start of QEMU to the output of python3, with kernel, root and agent of the product and nothing else',
    setup: async () => void (await deps.host()),
    run: async () => {
      const host = await deps.host();
      vmm = await startVmm(deps.scope, host, 'memory-backend-file,mem-path=memory,share=on', bootArguments(host));
      await using guest = await vmm.guest();
      await introduce(guest);
      await runPython(guest, snippet, '');
    },
    after: async () => await vmm?.[Symbol.asyncDispose](),
  };
}

type Clone = () => Promise<BareVmm>;

function restoreScenario(clone: Clone, setup: () => Promise<void>, snippet: Snippet): Scenario {
  let vmm: BareVmm | undefined;
  return {
    ...{ id: 'bare-restore', kind: 'bare', name: 'bare QEMU, restore', perRound: 2, setup },
    what: 'start of QEMU with a snapshot to the output of the python that waits in it, clock and entropy renewed',
    run: async () => {
      vmm = await clone();
      await using guest = await vmm.guest();
      await introduce(guest);
      await runPython(guest, snippet, 'python');
    },
    after: async () => await vmm?.[Symbol.asyncDispose](),
  };
}

/** Of a machine that waits as the product's do: restored, primed. */
function stageScenarios(clone: Clone, setup: () => Promise<void>, snippet: Snippet): Scenario[] {
  const machine = makePrimedMachine(clone);
  const shared = { kind: 'stage', perRound: 2, setup, after: machine.end } as const;
  return [
    {
      ...{ ...shared, id: 'guest-run', name: 'run in a primed guest', prepare: machine.begin },
      what: 'StartProcess over the guest channel of a bare machine that runs and is primed, to the exit of python',
      run: async () => await runPython(machine.guest(), snippet, 'python'),
    },
    {
      ...{ ...shared, id: 'guest-claim', name: 'claim and run by hand' },
      what: 'the same for one that is paused: resumed over QMP, clock and entropy renewed, run',
      prepare: async () => {
        await machine.begin();
        await machine.tell('stop');
      },
      run: async () => {
        await machine.tell('cont');
        await introduce(machine.guest());
        await runPython(machine.guest(), snippet, 'python');
      },
    },
  ];
}

/** One machine at a time: begun before a run, ended after it. */
function makePrimedMachine(clone: Clone) {
  let vmm: BareVmm | undefined;
  let connection: GuestConnection | undefined;
  const guest = () => {
    if (!connection) throw new Error('no machine was prepared');
    return connection;
  };
  return {
    guest,
    async begin() {
      vmm = await clone();
      connection = await vmm.guest();
      await introduce(guest());
      await prime(guest());
    },
    async tell(command: 'stop' | 'cont') {
      using qmp = await vmm?.qmp();
      await qmp?.execute(command);
    },
    async end() {
      connection?.close();
      await vmm?.[Symbol.asyncDispose]();
      [vmm, connection] = [undefined, undefined];
    },
  };
}

async function introduce(guest: GuestConnection): Promise<void> {
  const unixTimeNs = BigInt(Date.now()) * 1_000_000n;
  await configure(guest, { unixTimeNs, entropy: randomBytes(64), hostname: 'machine', bootId: randomUUID() });
}

async function runPython(guest: GuestConnection, snippet: Snippet, interpreter: string): Promise<void> {
  const { stdout } = await runProcess(guest, pythonProcess(snippet, interpreter), { maxOutputBytes: 1024 });
  expectOutput('bare machine', snippet, stdout.toString());
}
