// From (MCPSession, its MicroVM, its Secret, now) to actions and status. Pure, never throws; no actions means that the world
// matches.
//
//   (new) ──▶ Pending ──machine runs──▶ Ready ◀──next call── Idle
//               ▲  │                     │ └──not used, paused──▲
//               │  └──machine fails──▶ Failed ◀──┘ machine fails
//               └────is started anew─────┘
//   any ──idleTimeoutSeconds without a call, ttlSeconds──▶ Expired ──an hour──▶ (no object)
//   any ──deleted──▶ own machine deleted ──▶ (no object)
import { type McpSession, sessionFinalizer } from '@tvm/api/kinds/mcp-session.ts';
import { type Binding, bindingOf, type Standing, standingWith } from './binding.ts';
import { type End, endedAtMs, endOf, keepEndedMs } from './end.ts';
import { isOwned, restoreFromAnnotation, secretNameOf } from './names.ts';
import { eventsBetween, type Situation, statusOf } from './status.ts';
import { dueToken, replaceAtMs } from './token-plan.ts';
import type { Action, MachineShape, Observed, Plan } from './world.ts';

/** An own machine that was not used for so long is paused. */
const restAfterSeconds = 300;
/** For what nothing tells of: a Secret that went, a name that became free. */
const lookAgainMs = 10_000;

export function planMcpSession(observed: Observed): Plan {
  const { session, nowMs } = observed;
  if (session.metadata.deletionTimestamp) return planRemoval(observed);
  const endedMs = endedAtMs(session);
  if (endedMs !== undefined) return planAfterwards(observed, endedMs + keepEndedMs - nowMs);
  const end = endOf(observed);
  return typeof end === 'object' ? planEnd(observed, end) : planLife(observed, end);
}

function planRemoval({ session, own }: Observed): Plan {
  const holds = session.metadata.finalizers?.includes(sessionFinalizer) ?? false;
  const actions: Action[] = holds ? [...deletionOf(session, own), { type: 'removeFinalizer' }] : [];
  return { actions, status: session.status ?? {}, events: [], requeueAfterMs: undefined };
}

function planEnd(observed: Observed, end: End): Plan {
  const { session, own, nowMs } = observed;
  const standing: Standing = { state: 'Expired', ready: 'False', ...end };
  const status = statusOf(session, { standing, binding: undefined, token: undefined, end }, nowMs);
  const events = eventsBetween(session, status, { rotates: false });
  return { actions: deletionOf(session, own), status, events, requeueAfterMs: keepEndedMs };
}

function planAfterwards({ session, own }: Observed, leftMs: number): Plan {
  const over: Action[] = leftMs <= 0 ? [{ type: 'deleteObject' }] : [];
  const actions = [...deletionOf(session, own), ...over];
  return { actions, status: session.status ?? {}, events: [], requeueAfterMs: leftMs > 0 ? leftMs : undefined };
}

function planLife(observed: Observed, endsInMs: number | undefined): Plan {
  const { session, named, own, secret, nowMs } = observed;
  const binding = bindingOf(session, named, own);
  const due = binding.type === 'blocked' ? undefined : dueToken(observed);
  const token = due ?? (secret.type === 'own' ? secret.token : undefined);
  const situation: Situation = { standing: standingOf(observed, binding), binding, token, end: undefined };
  const status = statusOf(session, situation, nowMs);
  const waits = binding.type === 'blocked' || secret.type === 'foreign';
  return {
    actions: [
      ...finalizer(session),
      ...leftOver(session, own),
      ...(binding.type === 'missing' ? [machineToMake(observed)] : []),
      ...(due ? [{ type: 'writeToken' as const, grant: due }] : []),
    ],
    status,
    events: eventsBetween(session, status, { rotates: due !== undefined }),
    requeueAfterMs: earliest(endsInMs, token && replaceAtMs(token) - nowMs, waits ? lookAgainMs : undefined),
  };
}

function standingOf({ session, secret }: Observed, binding: Binding): Standing {
  const pending = (reason: string, message: string): Standing => ({
    state: 'Pending',
    ready: 'False',
    reason,
    message,
  });
  if (secret.type === 'foreign') {
    return pending(
      'SecretTaken',
      `Secret ${secretNameOf(session)} is there already, and not this session's: delete it`,
    );
  }
  switch (binding.type) {
    case 'bound':
      return standingWith(binding.vm);
    case 'missing':
      return pending('MakingMachine', 'its own MicroVM is being made');
    case 'blocked':
      return pending(binding.reason, binding.message);
  }
}

function finalizer(session: McpSession): Action[] {
  return session.metadata.finalizers?.includes(sessionFinalizer) ? [] : [{ type: 'addFinalizer' }];
}

/** A machine of its own from before it was bound to another. */
function leftOver(session: McpSession, own: Observed['own']): Action[] {
  return session.spec.vmId === undefined ? [] : deletionOf(session, own);
}

function deletionOf(session: McpSession, own: Observed['own']): Action[] {
  if (!own || own.metadata.deletionTimestamp || !isOwned(own, session)) return [];
  return [{ type: 'deleteMachine', uid: own.metadata.uid ?? '' }];
}

function machineToMake({ session, defaults }: Observed): Action {
  const { idleTimeoutSeconds } = session.spec;
  const snapshot = session.metadata.annotations?.[restoreFromAnnotation];
  const shape: MachineShape = { ...shapeFor(session, defaults), ...(snapshot !== undefined && { snapshot }) };
  const rest = Math.ceil(Math.min(restAfterSeconds, (idleTimeoutSeconds ?? Number.POSITIVE_INFINITY) / 2));
  return { type: 'createMachine', shape, idleTimeoutSeconds: rest };
}

/** Credentials of the defaults are for their image. */
function shapeFor({ spec }: McpSession, defaults: MachineShape): MachineShape {
  const { image = defaults.image, cpu = defaults.cpu, memory = defaults.memory, network } = spec;
  const { limits = defaults.limits } = spec;
  const imagePullSecrets = spec.imagePullSecrets ?? (spec.image === undefined ? defaults.imagePullSecrets : undefined);
  return {
    ...{ image, cpu, memory },
    ...(network && { network }),
    ...(limits && { limits }),
    ...(imagePullSecrets && { imagePullSecrets }),
  };
}

function earliest(...delays: (number | undefined)[]): number | undefined {
  const known = delays.filter((delay) => delay !== undefined);
  return known.length === 0 ? undefined : Math.max(0, Math.min(...known));
}
