// Joins observe, plan and execute for one machine, until nothing is to do.
// Invariant: a step that fails while a machine is made fails the machine; any other is tried again later.
import { TvmError } from '@tvm/api/errors.ts';
import type { Driver } from '../vmm/driver.ts';
import type { Executor } from './executor.ts';
import type { Machine } from './machine.ts';
import { type Action, type Observed, plan } from './plan.ts';

/** Steps in one pass; more means that the plan does not converge. */
const maxSteps = 50;

export function makeReconcile(driver: Driver, execute: Executor) {
  return async (machine: Machine, nextStep: () => AbortSignal): Promise<void> => {
    for (let step = 0; step < maxSteps && !machine.closed; step++) {
      const signal = nextStep();
      const action = plan(machine.record, await observe(driver, machine));
      if (!action || machine.closed) return;
      machine.log.debug({ action: action.do }, 'step');
      try {
        await execute(machine, action, signal);
      } catch (thrown) {
        if (signal.aborted) continue;
        fail(machine, action, TvmError.from(thrown, `${action.do} of ${machine.record.uid} failed`));
      }
    }
    if (!machine.closed) throw new TvmError('internal', `no end of steps for ${machine.record.uid}`);
  };
}

async function observe(driver: Driver, machine: Machine): Promise<Observed> {
  const { run } = machine;
  return {
    vm: run.end ? { state: 'ended', end: run.end } : await driver.inspect(machine.vm),
    startedForRun: run.startedForRun,
    filesReady: run.files !== undefined,
    guest: run.guest,
    exercised: run.exercised,
    command: run.command,
    shutdownTried: run.shutdownTried,
    unresponsive: run.unresponsive,
    suspendDue: run.suspendDue,
  };
}

const reasons: Partial<Record<Action['do'], string>> = {
  ensureFiles: 'ImageUnavailable',
  startVmm: 'VmmStartFailed',
  awaitGuest: 'BootTimeout',
  configureGuest: 'ConfigureFailed',
  exercise: 'ExerciseFailed',
  startCommand: 'CommandStartFailed',
};

function fail(machine: Machine, action: Action, error: TvmError): void {
  const reason = reasons[action.do];
  if (machine.record.state !== 'creating' || reason === undefined) throw error;
  // A VMM that ended says more than the step that it made fail.
  if (machine.run.end && action.do !== 'ensureFiles') return;
  machine.log.warn({ err: error, action: action.do }, 'the machine failed to start');
  const message = error.hint ? `${error.message}. ${error.hint}` : error.message;
  machine.change({ state: 'failed', reason: error.reason ?? reason, message, errorCode: error.code });
}
