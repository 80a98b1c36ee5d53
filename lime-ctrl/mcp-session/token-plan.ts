// When a session needs a new token. Pure. Invariant: a token is replaced after two thirds of its life; the old one stays good
// until its end, so that whoever holds it has the last third to take the new one.
import { type McpSession, sessionScopes } from '@tvm/api/kinds/mcp-session.ts';
import { sessionUrl } from '../mcp/sessions/session-url.ts';
import type { TokenFacts, TokenGrant } from '../mcp/sessions/tokens.ts';
import type { Observed } from './world.ts';

const replaceAfter = 2 / 3;

/** The token to write; undefined: the one that is there will do. */
export function dueToken({ session, secret, base, tokenLifeMs, nowMs }: Observed): TokenGrant | undefined {
  if (secret.type === 'foreign') return undefined;
  const grant = grantOf(session, base, tokenLifeMs, nowMs);
  const held = secret.type === 'own' ? secret.token : undefined;
  return held && serves(held, grant) && nowMs < replaceAtMs(held) ? undefined : grant;
}

export function replaceAtMs({ issuedAtMs, expiresAtMs }: TokenFacts): number {
  return issuedAtMs + (expiresAtMs - issuedAtMs) * replaceAfter;
}

export function generationOf({ spec }: McpSession): number {
  return spec.tokenGeneration ?? 1;
}

export function scopesOf({ spec }: McpSession) {
  return sessionScopes.filter((each) => spec.scopes?.includes(each) ?? true);
}

function grantOf(session: McpSession, base: string, lifeMs: number, nowMs: number): TokenGrant {
  const { uid = '', namespace = '', name } = session.metadata;
  const { userId, groupId } = session.spec;
  const issuedAtMs = Math.floor(nowMs / 1000) * 1000;
  return {
    session: { uid, namespace, name, userId, groupId },
    audience: sessionUrl(base, uid),
    scopes: scopesOf(session),
    generation: generationOf(session),
    issuedAtMs,
    expiresAtMs: issuedAtMs + Math.floor(lifeMs / 1000) * 1000,
  };
}

/** Whether the token says what a new one would. */
function serves(held: TokenFacts, wanted: TokenGrant): boolean {
  const essence = ({ session, audience, scopes, generation }: TokenFacts) =>
    JSON.stringify([session.uid, session.userId, session.groupId, audience, scopes, generation]);
  return essence(held) === essence(wanted);
}
