// Reads what the MCPSession planner needs: the object, its MicroVM, its Secret, when it was used. Invariant: reads only, and
// gives no token away, only what it says.
import { TvmError } from '@tvm/api/errors.ts';
import type { McpSession } from '@tvm/api/kinds/mcp-session.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import type { MicroVmPool } from '@tvm/api/kinds/microvm-pool.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import { type KubeClient, type Secret, secrets } from '@tvm/kit/kube/client.ts';
import type { Fleet } from '../flintlock/fleet.ts';
import type { SessionActivity } from '../mcp/sessions/activity.ts';
import type { SessionTokens } from '../mcp/sessions/tokens.ts';
import { endedAtMs } from './end.ts';
import { isOwned, machineNameOf, secretNameOf } from './names.ts';
import type { MachineShape, Observed, ObservedSecret } from './world.ts';

/** Of the images that are always there the one with all languages that run_code takes. */
const fallback: MachineShape = { image: 'tvm/node', cpu: 1, memory: 256 };

export interface ObserveDeps {
  client: KubeClient;
  fleet: Fleet;
  /** Objects as the caches have them. */
  session: (key: string) => McpSession | undefined;
  microVm: (key: string) => MicroVm | undefined;
  pools: () => MicroVmPool[];
  tokens: SessionTokens;
  activity: SessionActivity;
  /** The base of the URLs of sessions. */
  base: string;
  tokenLifeMs: number;
  clock: Clock;
}

/** Undefined: there is no such session. */
export async function observeMcpSession(deps: ObserveDeps, key: string): Promise<Observed | undefined> {
  const session = deps.session(key);
  if (!session) return undefined;
  const { namespace = '', uid = '' } = session.metadata;
  const { vmId } = session.spec;
  const own = deps.microVm(`${namespace}/${machineNameOf(session)}`);
  const machine = own && deps.fleet.machine(own.metadata.uid ?? '')?.machine;
  const over = session.metadata.deletionTimestamp !== undefined || endedAtMs(session) !== undefined;
  return {
    session,
    named: vmId === undefined ? undefined : deps.microVm(`${namespace}/${vmId}`),
    own,
    secret: over ? { type: 'none' } : await observeSecret(deps, session),
    base: deps.base,
    tokenLifeMs: deps.tokenLifeMs,
    defaults: defaultShape(deps.pools(), namespace),
    usedAtMs: Math.max(deps.activity.usedAtMs(uid), Number(machine?.lastActiveAtMs ?? 0n)),
    inUse: (machine?.openCalls ?? 0) > 0,
    nowMs: deps.clock.now(),
  };
}

async function observeSecret({ client, tokens }: ObserveDeps, session: McpSession): Promise<ObservedSecret> {
  const secret = await findSecret(client, session);
  if (!secret) return { type: 'none' };
  if (!isOwned(secret, session)) return { type: 'foreign' };
  return { type: 'own', token: await tokens.inspect(tokenIn(secret)) };
}

export async function findSecret(client: KubeClient, session: McpSession): Promise<Secret | undefined> {
  try {
    return await client.get(secrets, session.metadata.namespace ?? '', secretNameOf(session));
  } catch (error) {
    if (error instanceof TvmError && error.code === 'not_found') return undefined;
    throw error;
  }
}

/** Empty: there is none in it. */
export function tokenIn({ data }: Secret): string {
  return Buffer.from(data?.token ?? '', 'base64').toString('utf8');
}

/** What the first pool of the namespace has, by name: there machines of its kind are restored fastest. */
function defaultShape(pools: MicroVmPool[], namespace: string): MachineShape {
  const here = pools.filter(({ metadata }) => metadata.namespace === namespace && !metadata.deletionTimestamp);
  const [first] = here.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  if (!first) return fallback;
  const { image, cpu, memory, limits, imagePullSecrets } = first.spec.template.spec;
  return { image, cpu, memory, ...(limits && { limits }), ...(imagePullSecrets && { imagePullSecrets }) };
}
