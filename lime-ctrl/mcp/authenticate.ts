// From a request to the session that its token is for. Invariant: the token decides, checked against the session as it is now;
// nothing else in a request says who calls.
import { TvmError } from '@tvm/api/errors.ts';
import type { McpSession } from '@tvm/api/kinds/mcp-session.ts';
import { type KubeClient, mcpSessions } from '@tvm/kit/kube/client.ts';
import { conditionOf } from '@tvm/kit/kube/conditions.ts';
import { bearerTokenOf, notAccepted } from '../access/access.ts';
import { generationOf, scopesOf } from '../mcp-session/token-plan.ts';
import type { Scope } from './contract.ts';
import { sessionUrl } from './sessions/session-url.ts';
import type { SessionTokens, TokenFacts } from './sessions/tokens.ts';

const hint = 'Send "Authorization: Bearer TOKEN"; vvm session connect NAME shows the token of a session.';

export interface Authenticated {
  session: McpSession;
  scopes: ReadonlySet<Scope>;
  caller: string;
  /** Of the token. */
  generation: number;
  expiresAtMs: number;
}

export interface AuthenticateDeps {
  client: KubeClient;
  /** A session as the cache has it. */
  session: (key: string) => McpSession | undefined;
  tokens: SessionTokens;
}

/**
 * `authorization` is the header of a request to the session with this uid. Throws unauthenticated; not_found to the bearer of
 * a good token whose session is gone; unavailable when that cannot be found out now.
 */
export async function authenticate(
  deps: AuthenticateDeps,
  { authorization, base, uid }: { authorization: string | undefined; base: string; uid: string },
): Promise<Authenticated> {
  const facts = await deps.tokens.verify(bearerTokenOf(authorization, hint), sessionUrl(base, uid));
  const session = await sessionOf(deps, facts);
  if (!session || session.metadata.deletionTimestamp) {
    throw new TvmError('not_found', 'this session is gone', {
      reason: 'SessionGone',
      hint: 'Make a new one: vvm session create.',
    });
  }
  if (facts.generation < generationOf(session)) throw notAccepted('the token was revoked', hint);
  const ended = conditionOf(session.status?.conditions, 'Ended');
  if (ended?.status === 'True') throw notAccepted(`this session is over: ${ended.message}`, 'vvm session create');
  const allowed = scopesOf(session);
  const scopes = new Set(facts.scopes.filter((each) => allowed.includes(each)));
  const { generation, expiresAtMs } = facts;
  return { session, scopes, caller: facts.session.userId, generation, expiresAtMs };
}

/** The API server is asked about one that the cache does not have: another replica may have made the token just now. */
async function sessionOf({ client, session: cached }: AuthenticateDeps, { session }: TokenFacts) {
  const { uid, namespace, name } = session;
  const known = cached(`${namespace}/${name}`);
  if (known?.metadata.uid === uid) return known;
  try {
    const found = await client.get(mcpSessions, namespace, name);
    return found.metadata.uid === uid ? found : undefined;
  } catch (error) {
    if (error instanceof TvmError && error.code === 'not_found') return undefined;
    throw error;
  }
}
