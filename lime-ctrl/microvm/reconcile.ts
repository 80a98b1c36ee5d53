// Joins observe, plan and execute for one MicroVM. Invariant: the status is written last, but for the host of a machine that
// is about to be made, so that a crash in between repeats idempotent actions and loses nothing.
import { isDeepStrictEqual } from 'node:util';
import { TvmError } from '@tvm/api/errors.ts';
import type { MicroVm, MicroVmStatus } from '@tvm/api/kinds/microvm.ts';
import type { ReconcileResult } from '@tvm/kit/controller/controller.ts';
import { keyOf } from '@tvm/kit/kube/client.ts';
import { conditionOf } from '@tvm/kit/kube/conditions.ts';
import type { EventRecorder } from '@tvm/kit/kube/event-recorder.ts';
import type { Demand } from '../placement/place.ts';
import type { Quota } from '../quota/quota.ts';
import { disksGrown } from './disks.ts';
import { destroyMachine, type ExecuteDeps, executeAction, writeStatus } from './execute.ts';
import { type Observation, type ObserveDeps, observeMicroVm } from './observe.ts';
import { planMicroVm, startsMachine } from './plan.ts';
import type { SecretInputs } from './secret-inputs.ts';
import { notGrownStatus, refusedStatus } from './status.ts';
import type { Action, Observed, Plan } from './world.ts';

export interface MicroVmDeps extends ObserveDeps, ExecuteDeps {
  recorder: EventRecorder;
  /** No node has room for such a machine. */
  onNoRoom?: (demand: Demand) => void;
  quota?: Pick<Quota, 'admit'>;
  /** Is given the object as each write left it, so that the next reconcile does not begin with an older one. */
  learn?: (vm: MicroVm) => void;
}

export function makeMicroVmReconcile(deps: MicroVmDeps): (key: string) => Promise<ReconcileResult> {
  return async (key) => {
    noteChange(deps, deps.cached(key));
    const observation = await observeMicroVm(deps, key);
    const plan = planWithinQuota(deps, observation.observed);
    const { vm } = observation.observed;
    if (vm && lacksRoom(plan)) deps.onNoRoom?.(vm.spec);
    if (vm) return { requeueAfterMs: await carryOut(deps, vm, plan, observation) };
    await destroyStrays(deps, plan.actions);
    return { requeueAfterMs: plan.requeueAfterMs };
  };
}

/** Quotas are asked only about what is about to begin: what they admit, they count. */
function planWithinQuota({ quota }: MicroVmDeps, observed: Observed): Plan {
  const plan = planMicroVm(observed);
  const overQuota = observed.vm && startsMachine(plan) ? quota?.admit(observed.vm) : undefined;
  return overQuota === undefined ? plan : planMicroVm({ ...observed, overQuota });
}

/** Whoever changes the object, to resume its machine for one, uses it. */
function noteChange({ activity }: MicroVmDeps, vm: MicroVm | undefined): void {
  if (vm?.metadata.uid && vm.metadata.generation !== vm.status?.observedGeneration) activity.note(vm.metadata.uid);
}

async function destroyStrays({ fleet }: MicroVmDeps, actions: Action[]): Promise<void> {
  for (const action of actions) if (action.type === 'destroyMachine') await destroyMachine(fleet, action);
}

/** Gives when to look again. The finalizer goes last: with it goes the object, and nothing more can be said of it. */
async function carryOut(deps: MicroVmDeps, planned: MicroVm, plan: Plan, { secretInputs }: Observation) {
  const last = plan.actions.filter(({ type }) => type === 'removeFinalizer');
  let vm = planned;
  let told = plan.status === undefined || plan.status === planned.status;
  for (const action of plan.actions) {
    if (last.includes(action)) continue;
    if (action.type === 'assignHost' && plan.status) {
      // Where the machine will be is told together with all else that there is to tell.
      vm = await writeStatus(deps.client, vm, plan.status);
      told = true;
    } else vm = await attempt(deps, action, vm, plan.status, secretInputs);
    deps.learn?.(vm);
  }
  const settled = told ? undefined : await planOfSettled(deps, vm, plan);
  const { status, events, requeueAfterMs } = settled ?? plan;
  if (!told && status) vm = await writeStatus(deps.client, vm, status);
  deps.learn?.(vm);
  for (const event of events) deps.recorder.record(vm, event);
  for (const action of last) await executeAction(deps, action, vm, secretInputs);
  return requeueAfterMs;
}

const settling = new Set<Action['type']>(['pauseMachine', 'resumeMachine', 'stopMachine', 'growDisks']);

/** After a call that answers when it is done the machine is as wanted: what can be said of it then; undefined: not more. */
async function planOfSettled(deps: MicroVmDeps, vm: MicroVm, plan: Plan): Promise<Plan | undefined> {
  if (!plan.actions.some(({ type }) => settling.has(type))) return undefined;
  const { observed } = await observeMicroVm({ ...deps, cached: () => vm }, keyOf(vm));
  const next = planMicroVm(observed);
  return next.actions.length === 0 ? next : undefined;
}

async function attempt(
  deps: MicroVmDeps,
  action: Action,
  vm: MicroVm,
  planned: MicroVmStatus | undefined,
  inputs: SecretInputs,
): Promise<MicroVm> {
  try {
    return await executeAction(deps, action, vm, inputs);
  } catch (thrown) {
    const error = TvmError.from(thrown, `${action.type} ${vm.metadata.name}`);
    const isRefusal = 'node' in action && error.code !== 'aborted';
    if (isRefusal && action.type === 'growDisks') await tellNotGrown(deps, vm, planned, error);
    else if (isRefusal) await tellRefusal(deps, action, vm, error);
    throw error;
  }
}

async function tellRefusal(deps: MicroVmDeps, action: Action, vm: MicroVm, error: TvmError): Promise<void> {
  const status = refusedStatus(vm, error, deps.clock.now());
  if (status.reason === vm.status?.reason && status.message === vm.status?.message) return;
  const reason = status.reason ?? 'Refused';
  deps.recorder.record(vm, { type: 'Warning', reason, message: `${action.type}: ${error.message}` });
  await writeStatus(deps.client, vm, status);
}

/** The machine runs on, and what else there is to tell of it is told. */
async function tellNotGrown(deps: MicroVmDeps, vm: MicroVm, planned: MicroVmStatus | undefined, error: TvmError) {
  const base = planned ? { ...vm, status: planned } : vm;
  const status = notGrownStatus(base, error, deps.clock.now());
  if (isDeepStrictEqual(status, vm.status)) return;
  const [before, now] = [vm.status, status].map((each) => conditionOf(each?.conditions, disksGrown));
  const message = `growDisks: ${error.message}`;
  if (before?.message !== now?.message)
    deps.recorder.record(vm, { type: 'Warning', reason: now?.reason ?? 'Refused', message });
  await writeStatus(deps.client, vm, status);
}

function lacksRoom({ status }: Plan): boolean {
  const scheduled = conditionOf(status?.conditions, 'Scheduled');
  return scheduled?.status === 'False' && scheduled.reason === 'NoRoom';
}
