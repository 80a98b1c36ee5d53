import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { VmEnd, VmStatus } from '../vmm/driver.ts';
import { type Action, type Observed, plan } from './plan.ts';
import { type MachineRecord, machineStates, newRecord } from './record.ts';

const end: VmEnd = { exitCode: 1, signal: null, stderr: '', console: '' };
const running: VmStatus = { state: 'running', pid: 1 };
const paused: VmStatus = { state: 'paused', pid: 1 };

/** A machine, its VM and what flintlock remembers, with the effects of actions as the executors have them. */
interface World {
  record: MachineRecord;
  observed: Observed;
  forgotten: boolean;
}

const nothingKnown = {
  startedForRun: false,
  filesReady: false,
  guest: 'unknown',
  exercised: false,
  command: 'none',
  shutdownTried: false,
  unresponsive: false,
  suspendDue: false,
} as const;

const bareSpec = {
  ...{ image: 'x', cpus: 1, memoryMiB: 64, command: [], args: [], hostname: '', snapshot: '' },
  ...{ interpreter: '', standby: false, template: false },
};

function apply(world: World, action: Action): void {
  const { observed } = world;
  switch (action.do) {
    case 'ensureFiles':
      observed.filesReady = true;
      break;
    case 'startVmm':
      if (observed.vm.state !== 'paused') observed.vm = running;
      observed.startedForRun = true;
      break;
    case 'awaitGuest':
      if (observed.guest === 'unknown') observed.guest = 'answered';
      break;
    case 'configureGuest':
      observed.guest = 'configured';
      break;
    case 'exercise':
      observed.exercised = true;
      break;
    case 'startCommand':
    case 'followCommand':
      observed.command = 'running';
      break;
    case 'pauseVmm':
      observed.vm = paused;
      break;
    case 'resumeVmm':
      observed.vm = running;
      break;
    case 'suspend':
      observed.suspendDue = false;
      world.record = { ...world.record, suspended: true };
      break;
    case 'revive':
      observed.vm = running;
      world.record = { ...world.record, suspended: false, state: 'running' };
      break;
    case 'shutDownGuest':
      observed.shutdownTried = true;
      break;
    case 'killVmm':
      if (observed.vm.state !== 'absent') observed.vm = { state: 'ended', end };
      break;
    case 'removeVmm':
      world.observed = { vm: { state: 'absent' }, ...nothingKnown };
      break;
    case 'forget':
      world.forgotten = true;
      break;
    case 'settle':
      world.record = {
        ...world.record,
        state: action.outcome.state,
        suspended: world.record.suspended && action.outcome.state === 'paused',
      };
  }
}

/** flintlock is killed and starts again: what was only known goes, half-made machines are given up. */
function crash(world: World): void {
  world.observed = { vm: world.observed.vm, ...nothingKnown };
  if (world.record.state === 'creating') world.record = { ...world.record, desired: 'destroyed', state: 'destroying' };
}

const worlds = fc
  .record({
    state: fc.constantFrom(...machineStates),
    desired: fc.constantFrom('running' as const, 'paused' as const, 'stopped' as const, 'destroyed' as const),
    hasCommand: fc.boolean(),
    standby: fc.boolean(),
    vm: fc.constantFrom<VmStatus>({ state: 'absent' }, running, paused, { state: 'ended', end }),
    startedForRun: fc.boolean(),
    filesReady: fc.boolean(),
    guest: fc.constantFrom('unknown' as const, 'answered' as const, 'configured' as const),
    exercised: fc.boolean(),
    command: fc.constantFrom<Observed['command']>('none', 'running', { exitCode: 3 }),
    shutdownTried: fc.boolean(),
    unresponsive: fc.boolean(),
    suspendDue: fc.boolean(),
    suspended: fc.boolean(),
  })
  .map(({ state, desired, hasCommand, standby, suspended, ...observed }): World => {
    const command = hasCommand ? ['true'] : [];
    const spec = { ...bareSpec, command, standby };
    const record = newRecord({ uid: 'a', generation: 1, spec, labels: {} }, 0);
    const wanted = state === 'destroying' ? ('destroyed' as const) : desired;
    return {
      record: { ...record, state, desired: wanted, suspended: suspended && state === 'paused' },
      observed,
      forgotten: false,
    };
  });

function isAsWanted({ record, observed, forgotten }: World): boolean {
  if (record.desired === 'destroyed') return forgotten && observed.vm.state === 'absent';
  if (record.state === 'stopped' || record.state === 'failed') return observed.vm.state === 'absent';
  if (record.suspended)
    return record.state === 'paused' && record.desired === 'paused' && observed.vm.state === 'absent';
  return record.state === record.desired && observed.vm.state === record.desired;
}

test('from any world, with a crash after any action and each action run twice, the plan converges', () => {
  fc.assert(
    fc.property(worlds, fc.option(fc.nat(12), { nil: -1 }), fc.boolean(), (start, crashAfter, twice) => {
      const world: World = { ...start, observed: { ...start.observed } };
      for (let step = 0; !world.forgotten; step++) {
        const action = plan(world.record, world.observed);
        if (!action) break;
        assert.ok(step < 30, `no end: ${JSON.stringify(action)}`);
        apply(world, action);
        if (twice) apply(world, action);
        if (step === crashAfter) crash(world);
      }
      assert.ok(isAsWanted(world), JSON.stringify(world));
    }),
    { numRuns: 3000 },
  );
});

test('a VM of a run before is never taken for that of the new one', () => {
  fc.assert(
    fc.property(worlds, ({ record, observed }) => {
      const anew = { ...record, state: 'creating' as const, desired: 'running' as const };
      const action = plan(anew, { ...observed, startedForRun: false });
      if (observed.vm.state !== 'absent') assert.deepEqual(action, { do: 'removeVmm' });
    }),
  );
});

test('a kernel panic, an orderly power-off and a kill have different reasons', () => {
  const declared = { uid: 'a', generation: 1, spec: bareSpec, labels: {} };
  const record = { ...newRecord(declared, 0), state: 'running' as const };
  const reasonOf = (how: Partial<VmEnd>) => {
    const action = plan(record, { vm: { state: 'ended', end: { ...end, ...how } }, ...nothingKnown });
    return action?.do === 'settle' ? `${action.outcome.state} ${action.outcome.reason}` : action?.do;
  };
  assert.equal(reasonOf({ exitCode: 0 }), 'stopped GuestPoweredOff');
  assert.equal(reasonOf({ exitCode: 0, console: 'Kernel panic - not syncing: no init' }), 'failed GuestPanic');
  const deadlock = 'Kernel panic - not syncing: System is deadlocked on memory';
  assert.equal(reasonOf({ exitCode: 0, console: deadlock }), 'failed OutOfMemory');
  assert.equal(reasonOf({ exitCode: null, signal: 'SIGKILL' }), 'failed VmmExited');
});

test('a guest that answers no more ends its machine, unless its VMM has ended or it is to stop', () => {
  const record = {
    ...newRecord({ uid: 'a', generation: 1, spec: bareSpec, labels: {} }, 0),
    state: 'running' as const,
  };
  const action = plan(record, { vm: running, ...nothingKnown, unresponsive: true });
  assert.ok(action?.do === 'settle' && action.outcome.reason === 'GuestUnresponsive');
  const ended = plan(record, { vm: { state: 'ended', end }, ...nothingKnown, unresponsive: true });
  assert.ok(ended?.do === 'settle' && ended.outcome.reason === 'VmmExited');
  const stopping = plan({ ...record, desired: 'stopped' }, { vm: running, ...nothingKnown, unresponsive: true });
  assert.deepEqual(stopping, { do: 'killVmm' });
});
