import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type McpSession, type McpSessionStatus, sessionFinalizer, sessionScopes } from '@tvm/api/kinds/mcp-session.ts';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import type { MicroVm, MicroVmStatus } from '@tvm/api/kinds/microvm.ts';
import { conditionOf } from '@tvm/kit/kube/conditions.ts';
import type { TokenFacts } from '../mcp/sessions/tokens.ts';
import { keepEndedMs } from './end.ts';
import { machineNameOf, ownerReferenceTo } from './names.ts';
import { planMcpSession } from './plan.ts';
import type { MachineShape, Observed } from './world.ts';

const madeMs = Date.UTC(2030, 0, 1);
const hourMs = 3_600_000;
const base = 'https://tvm.example';

function session(spec: Partial<McpSession['spec']> = {}, status?: McpSessionStatus): McpSession {
  return {
    apiVersion,
    kind: 'MCPSession',
    metadata: {
      name: 'agent',
      namespace: 'default',
      uid: 'uid-1',
      generation: 1,
      creationTimestamp: new Date(madeMs).toISOString(),
      finalizers: [sessionFinalizer],
    },
    spec: { userId: 'alice', groupId: 'research', ...spec },
    ...(status && { status }),
  };
}

function machine(name: string, status: MicroVmStatus, owner?: McpSession): MicroVm {
  return {
    apiVersion,
    kind: 'MicroVM',
    metadata: {
      name,
      namespace: 'default',
      uid: `uid-of-${name}`,
      ...(owner && { ownerReferences: [ownerReferenceTo(owner)] }),
    },
    spec: { image: 'tvm/python', cpu: 1, memory: 256, desiredState: 'Running', mcpMode: true },
    status,
  };
}

const running: MicroVmStatus = { phase: 'Running', reason: 'Running', startedAt: '2030-01-01T00:00:01.000Z' };

function token(change: Partial<TokenFacts> = {}): TokenFacts {
  return {
    session: { uid: 'uid-1', namespace: 'default', name: 'agent', userId: 'alice', groupId: 'research' },
    audience: `${base}/sessions/uid-1/mcp`,
    scopes: sessionScopes,
    generation: 1,
    issuedAtMs: madeMs,
    expiresAtMs: madeMs + 24 * hourMs,
    ...change,
  };
}

function world(of: McpSession, change: Partial<Observed> = {}): Observed {
  return {
    session: of,
    named: undefined,
    own: undefined,
    secret: { type: 'own', token: token() },
    base,
    tokenLifeMs: 24 * hourMs,
    defaults: { image: 'tvm/python', cpu: 1, memory: 256 },
    usedAtMs: 0,
    inUse: false,
    nowMs: madeMs + 1000,
    ...change,
  };
}

const own = (status: MicroVmStatus) => machine(machineNameOf(session()), status, session());
const kinds = (observed: Observed) => planMcpSession(observed).actions.map(({ type }) => type);
const reasonOf = ({ conditions }: McpSessionStatus, type = 'Ready') => conditionOf(conditions, type)?.reason;

test('a new session: held back, given a machine and a token', () => {
  const fresh = session();
  delete fresh.metadata.finalizers;
  const plan = planMcpSession(world(fresh, { secret: { type: 'none' } }));
  assert.deepEqual(
    plan.actions.map(({ type }) => type),
    ['addFinalizer', 'createMachine', 'writeToken'],
  );
  assert.deepEqual([plan.status.state, reasonOf(plan.status)], ['Pending', 'MakingMachine']);
  assert.equal(plan.status.connectionInfo?.url, `${base}/sessions/uid-1/mcp`);
});

test('the shape of its own machine: what it asks for, else the default; it rests before the session ends', () => {
  const shapeOf = (
    spec: Partial<McpSession['spec']>,
    defaults: MachineShape = { image: 'pool/image', cpu: 2, memory: 512 },
  ) => {
    const [action] = planMcpSession(world(session(spec), { defaults })).actions;
    assert.equal(action?.type, 'createMachine');
    return action;
  };
  assert.deepEqual(shapeOf({}).shape, { image: 'pool/image', cpu: 2, memory: 512 });
  assert.deepEqual(shapeOf({ image: 'a', cpu: 4 }).shape, { image: 'a', cpu: 4, memory: 512 });
  const network = { egress: 'open' as const };
  const [own, pools] = [[{ name: 'own' }], [{ name: 'pool' }]];
  const defaults = { image: 'pool/image', cpu: 2, memory: 512, limits: { processes: 64 }, imagePullSecrets: pools };
  assert.deepEqual(shapeOf({ network }, defaults).shape, { ...defaults, network });
  const asked = shapeOf({ image: 'a', limits: { cpuPercent: 5 }, imagePullSecrets: own }, defaults).shape;
  assert.deepEqual([asked.limits, asked.imagePullSecrets], [{ cpuPercent: 5 }, own]);
  assert.equal('imagePullSecrets' in shapeOf({ image: 'a' }, defaults).shape, false, "another's image, no credentials");
  assert.deepEqual(
    [shapeOf({}), shapeOf({ idleTimeoutSeconds: 60 }), shapeOf({ idleTimeoutSeconds: 2 })].map(
      (each) => each.idleTimeoutSeconds,
    ),
    [300, 30, 1],
  );
});

test('how it stands follows from its machine', () => {
  const rows: [MicroVmStatus, state: string, ready: string, reason: string][] = [
    [{}, 'Pending', 'False', 'Pending'],
    [{ phase: 'Creating', reason: 'Creating' }, 'Pending', 'False', 'Creating'],
    [{ phase: 'Pending', reason: 'NoRoom', message: 'no node has room' }, 'Pending', 'False', 'NoRoom'],
    [running, 'Ready', 'True', 'Ready'],
    [{ phase: 'Paused', reason: 'Idle' }, 'Idle', 'True', 'Idle'],
    [{ phase: 'Failed', reason: 'OutOfMemory', message: 'too much' }, 'Failed', 'False', 'OutOfMemory'],
    [{ phase: 'Stopped', reason: 'Requested' }, 'Failed', 'False', 'MachineStopped'],
    [{ phase: 'Terminating', reason: 'Deleted' }, 'Pending', 'False', 'MachineGone'],
  ];
  for (const [status, state, ready, reason] of rows) {
    const plan = planMcpSession(world(session(), { own: own(status) }));
    assert.deepEqual(plan.actions, []);
    const condition = conditionOf(plan.status.conditions, 'Ready');
    assert.deepEqual([plan.status.state, condition?.status, condition?.reason], [state, ready, reason]);
  }
  const away = {
    ...running,
    reason: 'NodeUnreachable',
    conditions: [{ type: 'Ready', status: 'Unknown', reason: 'NodeUnreachable', message: 'm' }],
  };
  const plan = planMcpSession(world(session(), { own: own(away as MicroVmStatus) }));
  assert.deepEqual([plan.status.state, reasonOf(plan.status)], ['Failed', 'NodeUnreachable']);
  const paused = own({ phase: 'Paused', reason: 'Paused' });
  paused.spec.desiredState = 'Paused';
  assert.equal(reasonOf(planMcpSession(world(session(), { own: paused })).status), 'MachinePaused');
});

test('a machine that vmId names: it must be there and be for sessions; one of its own is given up', () => {
  const named = session({ vmId: 'demo' });
  const bound = (vm: MicroVm | undefined, change: Partial<Observed> = {}) =>
    planMcpSession(world(named, { secret: { type: 'none' }, named: vm, ...change }));
  assert.deepEqual([bound(undefined).actions, reasonOf(bound(undefined).status, 'Bound')], [[], 'NoMicroVM']);
  const closed = machine('demo', running);
  closed.spec.mcpMode = false;
  assert.deepEqual([bound(closed).actions, reasonOf(bound(closed).status)], [[], 'McpModeOff']);
  assert.deepEqual(
    bound(machine('demo', running)).actions.map(({ type }) => type),
    ['writeToken'],
  );
  const other = session();
  other.metadata.uid = 'uid-2';
  const others = bound(machine('demo', running, other));
  assert.deepEqual([others.actions, reasonOf(others.status)], [[], 'NotShared']);
  const leftOver = bound(machine('demo', running), { own: own(running) });
  assert.deepEqual(leftOver.actions[0], { type: 'deleteMachine', uid: `uid-of-${machineNameOf(session())}` });
});

test('what has its names and is not its own is left alone', () => {
  const foreign = machine(machineNameOf(session()), running);
  const plan = planMcpSession(world(session(), { own: foreign }));
  assert.deepEqual([plan.actions, reasonOf(plan.status)], [[], 'NameTaken']);
  const deleted = session();
  deleted.metadata.deletionTimestamp = new Date(madeMs).toISOString();
  assert.deepEqual(kinds(world(deleted, { own: foreign })), ['removeFinalizer']);
  const secret = planMcpSession(world(session(), { own: own(running), secret: { type: 'foreign' } }));
  assert.deepEqual([secret.actions, reasonOf(secret.status)], [[], 'SecretTaken']);
});

test('a token is replaced after two thirds of its life, and when it says something else than it should', () => {
  const due = (change: Partial<Observed>, spec: Partial<McpSession['spec']> = {}) =>
    kinds(world(session(spec), { own: own(running), ...change })).includes('writeToken');
  assert.equal(due({ nowMs: madeMs + 16 * hourMs - 1 }), false);
  assert.equal(due({ nowMs: madeMs + 16 * hourMs }), true);
  assert.equal(planMcpSession(world(session(), { own: own(running) })).requeueAfterMs, 16 * hourMs - 1000);
  assert.equal(due({ secret: { type: 'own', token: undefined } }), true);
  assert.equal(due({}, { tokenGeneration: 2 }), true);
  assert.equal(due({}, { scopes: ['vm:read'] }), true);
  assert.equal(due({}, { scopes: ['vm:admin', 'vm:files', 'vm:exec', 'vm:read'] }), false);
  assert.equal(due({ base: 'https://elsewhere.example' }), true);
  const rotated = planMcpSession(
    world(session({ tokenGeneration: 2 }, { state: 'Ready', connectionInfo: { url: 'u' } }), { own: own(running) }),
  );
  assert.ok(rotated.events.some(({ reason }) => reason === 'TokenRotated'));
});

test('it ends when nobody called for long, or its time is up: its machine goes, it stays to be seen for a while', () => {
  const idle = session({ idleTimeoutSeconds: 60 });
  const at = (seconds: number, change: Partial<Observed> = {}) =>
    planMcpSession(world(idle, { own: own(running), nowMs: madeMs + seconds * 1000, ...change }));
  assert.deepEqual([at(59).status.state, at(59).requeueAfterMs], ['Ready', 1000]);
  assert.equal(at(61, { usedAtMs: madeMs + 30_000 }).status.state, 'Ready');
  assert.equal(at(1000, { inUse: true }).status.state, 'Ready');
  const over = at(60);
  assert.deepEqual([over.status.state, reasonOf(over.status)], ['Expired', 'IdleTimeout']);
  assert.deepEqual(
    over.actions.map(({ type }) => type),
    ['deleteMachine'],
  );
  const ended = session({ idleTimeoutSeconds: 60 }, over.status);
  const later = (ms: number) => planMcpSession(world(ended, { nowMs: madeMs + 60_000 + ms, usedAtMs: madeMs + ms }));
  assert.deepEqual([later(1).actions, later(1).status], [[], over.status], 'a late call does not bring it back');
  assert.deepEqual(
    later(keepEndedMs).actions.map(({ type }) => type),
    ['deleteObject'],
  );
  const ttl = planMcpSession(world(session({ ttlSeconds: 1 }), { own: own(running), inUse: true }));
  assert.equal(reasonOf(ttl.status), 'TtlExpired');
});

test('the start of its machine: the first is known, another one is left to be told', () => {
  const first = planMcpSession(world(session(), { own: own(running) })).status;
  assert.equal(first.machineStartedAt, running.startedAt);
  const again = own({ ...running, startedAt: '2030-01-01T00:09:00.000Z' });
  assert.equal(planMcpSession(world(session({}, first), { own: again })).status.machineStartedAt, running.startedAt);
});

test('no change gives the same status and no event', () => {
  const first = planMcpSession(world(session(), { own: own(running) }));
  const second = planMcpSession(world(session({}, first.status), { own: own(running), nowMs: madeMs + 2000 }));
  assert.equal(second.events.length, 0);
  assert.deepEqual(second.actions, []);
  assert.equal(second.status, planMcpSession(world(session({}, second.status), { own: own(running) })).status);
});
