// Carries out one action of a machine's plan. Invariant: each action may run twice with the result of once.
import { type ErrorCode, TvmError } from '@tvm/api/errors.ts';
import { inSpan } from '@tvm/kit/tracing/tracing.ts';
import { shutDown } from '../guest/machine.ts';
import { followCommand, startCommand } from './command.ts';
import type { Executor, ExecutorDeps } from './executor.ts';
import { exercise } from './exercise.ts';
import { finishGrowth } from './grow-disks.ts';
import { giveIdentity, guestOf, introduce } from './guest-identity.ts';
import type { Machine } from './machine.ts';
import { connectNetwork, disconnectNetwork, networkOf } from './network.ts';
import { type Action, up } from './plan.ts';
import { findFiles, sameFiles, startVmm, vmSpecOf, watchVmm } from './start-vmm.ts';
import { readSuspendedSpec, removeSuspended, suspendedFolder, writeSuspended } from './suspension.ts';

/** What a guest still does after its start shall be done in the template, not in every machine that starts from it. */
const restMs = 1_500;

export function makeExecutor(deps: ExecutorDeps): Executor {
  const { driver, clock } = deps;
  const carryOut: Executor = async (machine, action, signal) => {
    switch (action.do) {
      case 'ensureFiles':
        machine.run.files = await findFiles(deps, machine, signal);
        return;
      case 'startVmm':
        return await startVmm(deps, machine);
      case 'awaitGuest':
        return await awaitGuest(deps, machine, signal);
      case 'configureGuest':
        await introduce(deps, machine, signal);
        return;
      case 'exercise':
        await exercise(machine.record.spec, await guestOf(deps, machine, signal), signal);
        if (machine.record.spec.template) await clock.sleep(restMs, signal);
        machine.run.exercised = true;
        return;
      case 'startCommand':
        return await startCommand(machine, await guestOf(deps, machine, signal));
      case 'followCommand':
        return await followCommand(machine, await guestOf(deps, machine, signal));
      case 'pauseVmm':
        return await driver.pause(machine.vm);
      case 'resumeVmm':
        if (driver.resumesEndChannels) machine.hangUp();
        await driver.resume(machine.vm);
        await giveIdentity(deps, machine, signal, {});
        return;
      case 'suspend':
        return await suspend(deps, machine, signal);
      case 'revive':
        return await revive(deps, machine, signal);
      case 'shutDownGuest':
        machine.run.shutdownTried = true;
        return await askToShutDown(deps, machine, signal);
      case 'killVmm':
        return await driver.kill(machine.vm);
      case 'removeVmm':
        await driver.destroy(machine.vm);
        await disconnectNetwork(deps, machine);
        return forgetRun(machine);
      case 'forget':
        await disconnectNetwork(deps, machine);
        return deps.forget(machine);
      case 'settle':
        return await settle(deps, machine, action.outcome);
    }
  };
  return async (machine, action, signal) => {
    try {
      await inSpan(deps.tracing, `machine.${action.do}`, () => carryOut(machine, action, signal), {
        attributes: { 'tvm.machine': machine.record.uid },
      });
    } catch (error) {
      if (!signal.aborted) await blameTemplate(deps, machine);
      throw error;
    }
  };
}

/** A machine that does not come up from a template may have a bad one. */
async function blameTemplate({ templates }: ExecutorDeps, { record, run }: Machine): Promise<void> {
  if (record.state === 'creating' && run.files?.template) await templates.blame(run.files.template);
}

async function suspend(deps: ExecutorDeps, machine: Machine, signal: AbortSignal): Promise<void> {
  const { run, vm, record } = machine;
  run.suspendDue = false;
  const files = run.files ?? (await sameFiles(deps, machine, signal));
  await finishGrowth(deps, machine);
  await writeSuspended(vm, vmSpecOf(deps, record, files), (folder) => deps.driver.snapshot(vm, folder));
  machine.change({ suspended: true });
}

/** What keeps a machine from ever going on is told; anything else is tried again, from what is on disk. */
async function revive(deps: ExecutorDeps, machine: Machine, signal: AbortSignal): Promise<void> {
  const { driver } = deps;
  const { vm } = machine;
  try {
    const spec = { ...(await readSuspendedSpec(vm)), ...(await connectNetwork(deps, machine)) };
    await driver.restore(vm, spec, suspendedFolder(vm));
  } catch (thrown) {
    const error = TvmError.from(thrown);
    if (!lossCodes.has(error.code)) throw error;
    const { code: errorCode, message } = error;
    await settle(deps, machine, { state: 'failed', reason: 'ResumeFailed', message, errorCode });
    return;
  }
  await giveIdentity(deps, machine, signal, networkOf(machine.record));
  machine.change({ suspended: false });
  watchVmm(driver, machine);
  await removeSuspended(vm);
  await settle(deps, machine, up('running').outcome);
}

const lossCodes = new Set<ErrorCode>(['failed_precondition', 'data_loss']);

async function awaitGuest(deps: ExecutorDeps, machine: Machine, signal: AbortSignal): Promise<void> {
  machine.progress('waiting for the guest');
  try {
    await guestOf(deps, machine, signal, deps.bootTimeoutMs);
    machine.run.guest = 'answered';
    machine.change({ bootMs: Math.round(performance.now() - machine.run.vmmStartedAt) });
  } catch (thrown) {
    const error = TvmError.from(thrown);
    if (error.code !== 'deadline_exceeded') throw error;
    const console = machine.output.tail(1000);
    const message = `the guest has not answered within ${deps.bootTimeoutMs} ms; console: ${console || '(nothing)'}`;
    throw new TvmError('deadline_exceeded', message, { cause: error, reason: 'BootTimeout' });
  }
}

async function askToShutDown(deps: ExecutorDeps, machine: Machine, signal: AbortSignal): Promise<void> {
  const { run, log } = machine;
  const grace = AbortSignal.any([signal, AbortSignal.timeout(Math.max(1, run.graceMs))]);
  try {
    await shutDown(await guestOf(deps, machine, grace), grace);
    await deps.driver.watch(machine.vm, () => {}, grace);
  } catch (err) {
    log.info({ err }, 'the guest did not shut down when asked; it is ended');
  }
}

function forgetRun(machine: Machine): void {
  machine.endRun();
}

async function settle(
  deps: ExecutorDeps,
  machine: Machine,
  outcome: Extract<Action, { do: 'settle' }>['outcome'],
): Promise<void> {
  const { templates, clock } = deps;
  const { state, reason, message, errorCode } = outcome;
  const { record, run } = machine;
  const isUp = state === 'running' || state === 'paused';
  const comesUp = isUp && record.state === 'creating';
  if (!isUp && record.suspended) await removeSuspended(machine.vm);
  if (!isUp) await disconnectNetwork(deps, machine);
  if (!isUp && outcome.reason !== 'Requested') await blameTemplate(deps, machine);
  if (comesUp && run.files?.template) templates.praise(run.files.template);
  if (comesUp && run.files && !run.files.snapshotFolder && !record.spec.template && !record.spec.disks) {
    templates.want(record.spec, run.files.image, run.files.boot);
  }
  const exitCode = 'exitCode' in outcome ? { exitCode: outcome.exitCode ?? null } : {};
  const started = comesUp ? { startedAtMs: clock.now() } : {};
  const suspended = isUp && record.suspended;
  machine.change({ state, reason, message, errorCode, suspended, ...exitCode, ...started });
}
