// The MCP gateway of one replica: who may call which session, and what answers. Invariant: all that replicas must agree on is
// in the API server (sessions, keys) or in the token; the rest may be lost with the process.
import { setImmediate } from 'node:timers/promises';
import type { McpSession } from '@tvm/api/kinds/mcp-session.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Reflector } from '@tvm/kit/controller/reflector.ts';
import { type KubeClient, keyOf } from '@tvm/kit/kube/client.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { Registry } from '@tvm/kit/metrics.ts';
import { endedAtMs } from '../mcp-session/end.ts';
import { microVmNameOf } from '../mcp-session/names.ts';
import { generationOf } from '../mcp-session/token-plan.ts';
import type { Activity } from '../microvm/activity.ts';
import type { Replicas } from '../replicas/replicas.ts';
import type { App } from '../rest/endpoint.ts';
import { originRules } from './allowed-origins.ts';
import type { Authenticated } from './authenticate.ts';
import type { Claim } from './awaited.ts';
import type { Fleet, ServerHandler, SessionContext, SessionHandler } from './contract.ts';
import { measureGateway } from './metrics.ts';
import { addSessionMount } from './mount.ts';
import { makeOpenRequests } from './open-requests.ts';
import { holderOf } from './peers/holder.ts';
import { makeSeal, type Seal } from './seal.ts';
import { makeSessionLimits } from './session-limits.ts';
import { makeSessionActivity, type SessionActivity } from './sessions/activity.ts';
import { makeSessionKeys, type SessionKeys } from './sessions/keys.ts';
import { makeSessionMachines } from './sessions/session-machine.ts';
import { makeSessionTokens, type SessionTokens } from './sessions/tokens.ts';

export interface GatewaySettings {
  /** The base of the URLs of sessions; undefined: where the REST server listens. */
  publicUrl: string | undefined;
  /** Host names of sites whose pages may call. */
  origins: string[];
  tokenLifeMs: number;
  /** Where the signing keys are. */
  keysNamespace: string;
}

/** What serves requests that were let in. */
export interface GatewayHandlers {
  endpoint: SessionHandler;
  bridge: ServerHandler;
  /** Serves a URL that one of the tools gave out; `sealed` is its last part. */
  transfer(request: Request, sealed: string): Promise<Response>;
  claim: Claim;
  /** The session is over: what is held for it can go. */
  endSession(uid: string): Promise<void>;
  /** Other replicas came or went: what `isOwn` says of an id of a connection is no longer ours is let go. */
  release(isOwn: (id: string) => boolean): Promise<void>;
}

/** What the controller of sessions needs of the gateway. */
export interface SessionControl {
  tokens: SessionTokens;
  activity: SessionActivity;
  /** Known once the REST server listens. */
  base: Promise<string>;
  tokenLifeMs: number;
}

export interface Gateway {
  control: SessionControl;
  /** With the keys that the tools seal with. */
  seal: Seal;
  /** The REST server listens there; requests come after that. */
  serveAt(url: string): void;
  addRoutes(app: App): void;
  /** Lets go of connections that nothing is under way on, so that their clients come back at other replicas. */
  letGo(): Promise<void>;
  /** Until the signal aborts; then it ends what it holds. */
  run(signal: AbortSignal): Promise<void>;
}

export interface GatewayDeps {
  client: KubeClient;
  fleet: Fleet;
  sessions: Reflector<McpSession>;
  microVms: Reflector<MicroVm>;
  /** Of machines. */
  activity: Activity;
  /** This one among others. */
  replicas: Pick<Replicas, 'own' | 'living' | 'urlOf' | 'subscribe'>;
  settings: GatewaySettings;
  /** Where it is measured. */
  registers: Registry[];
  makeHandlers: (keys: SessionKeys) => GatewayHandlers & Partial<AsyncDisposable>;
  clock: Clock;
  log: Logger;
}

/** Tokens of keys that were replaced stay good until their end. */
const keepKeysBeyondMs = 3_600_000;

export function makeGateway(deps: GatewayDeps): Gateway {
  const { client, fleet, sessions, microVms, replicas, settings, clock, log } = deps;
  const { tokenLifeMs, keysNamespace: namespace } = settings;
  const keys = makeSessionKeys({ client, clock, log, namespace, keepMs: tokenLifeMs + keepKeysBeyondMs });
  const tokens = makeSessionTokens({ keys, clock });
  const activity = makeSessionActivity({ client, session: sessions.get, clock, log });
  const machines = makeSessionMachines({ fleet, microVms, machineActivity: deps.activity, activity, clock });
  const handlers = deps.makeHandlers(keys);
  const limits = makeSessionLimits(clock);
  const open = makeOpenRequests(clock);
  const onAnswered = measureGateway(deps.registers, { sessions: sessions.list, open });
  const base = Promise.withResolvers<string>();
  let publicUrl = settings.publicUrl ?? '';
  let rules = originRules(publicUrl || 'http://localhost', undefined, settings.origins);

  function contextOf({ session, scopes, caller }: Authenticated, url: string): SessionContext {
    const { uid = '', namespace = '', name } = session.metadata;
    const { userId, groupId } = session.spec;
    const current = () => sessions.get(keyOf(session)) ?? session;
    return {
      session: { uid, namespace, name, userId, groupId },
      microVm: microVmNameOf(session),
      url,
      scopes,
      caller,
      machine: () => machines.obtain(current()),
      lastSeen: () => machines.lastSeen(current()),
      explain: (thrown) => machines.explain(current(), thrown),
      expectRestart: () => machines.expectRestart(session),
      touch: () => activity.note(keyOf(session), uid),
    };
  }

  async function endSession(uid: string): Promise<void> {
    machines.forget(uid);
    try {
      // Calls that are open are answered; what they are told is on its way before their streams are cut.
      await handlers.endSession(uid);
      await setImmediate();
    } catch (error) {
      log.error({ err: error, session: uid }, 'session not ended');
    }
    open.endBelow(uid, Number.POSITIVE_INFINITY);
  }

  function releaseOthers(): void {
    const isOwn = (id: string) => holderOf(id, replicas.living()) === replicas.own;
    handlers.release(isOwn).catch((error) => log.error({ err: error }, 'connections of other replicas not let go'));
  }

  return {
    control: { tokens, activity, base: base.promise, tokenLifeMs },
    seal: makeSeal((missed) => keys.derived('mcp', missed)),
    serveAt(url) {
      publicUrl = settings.publicUrl ?? reachable(url);
      rules = originRules(publicUrl, new URL(url).hostname || undefined, settings.origins);
      base.resolve(publicUrl);
    },
    addRoutes(app) {
      const routes = {
        client,
        session: sessions.get,
        tokens,
        limits,
        open,
        contextOf,
        onAnswered,
        peers: replicas,
        ...handlers,
        log,
      };
      addSessionMount(app, { ...routes, base: () => publicUrl, origins: () => rules });
    },
    letGo: () => handlers.release(() => false),
    async run(signal) {
      const stop = sessions.subscribe(({ object, previous }) => {
        const { uid = '' } = (object ?? previous)?.metadata ?? {};
        const isOver = !object || (endedAtMs(object) !== undefined && previous && endedAtMs(previous) === undefined);
        if (isOver) void endSession(uid);
        else open.endBelow(uid, generationOf(object));
      });
      const unsubscribe = replicas.subscribe(releaseOthers);
      await Promise.all([activity.run(signal), open.run(signal)]);
      stop();
      unsubscribe();
      await handlers[Symbol.asyncDispose]?.();
    },
  };
}

/** A URL for clients on this machine, of one that a server listens at. */
function reachable(url: string): string {
  if (!url.startsWith('http')) return 'http://localhost';
  return url.replace(/^http:\/\/(0\.0\.0\.0|\[::\])/, 'http://localhost');
}
