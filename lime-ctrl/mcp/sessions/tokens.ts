// Tokens of sessions: JWTs that every replica verifies alone. Invariants: signed by HMAC with a shared key, never anything
// else; good for one session URL and a bounded time; what is wrong with one is not told to its bearer beyond one sentence.
import { randomUUID } from 'node:crypto';
import { TvmError } from '@tvm/api/errors.ts';
import { sessionScopes } from '@tvm/api/kinds/mcp-session.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import { errors, type JWTHeaderParameters, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { invalidToken } from '../../access/access.ts';
import type { Scope, SessionIdentity } from '../contract.ts';
import type { SessionKeys } from './keys.ts';

const algorithm = 'HS256';
/** Keeps other JWTs of the same key from being taken for one of these. */
const type = 'at+jwt';
const issuer = 'tvm';

/** What a token says. */
export interface TokenFacts {
  session: SessionIdentity;
  /** The session's URL. */
  audience: string;
  scopes: readonly Scope[];
  /** Tokens of lower generations than the session has are refused. */
  generation: number;
  /** Whole seconds, as the other time. */
  issuedAtMs: number;
  expiresAtMs: number;
}

/** What one is to say. */
export type TokenGrant = TokenFacts;

export interface SessionTokens {
  mint(grant: TokenGrant): Promise<string>;
  /** Throws unauthenticated when it is not good now for this audience; unavailable when that cannot be found out. */
  verify(token: string, audience: string): Promise<TokenFacts>;
  /** What a token says that is good now, for whatever audience; undefined: it is not. Throws unavailable. */
  inspect(token: string): Promise<TokenFacts | undefined>;
}

const claims = z.object({
  aud: z.string(),
  sub: z.string(),
  sid: z.string(),
  ns: z.string(),
  name: z.string(),
  gid: z.string(),
  gen: z.int(),
  scope: z.string(),
  iat: z.int(),
  exp: z.int(),
});

export function makeSessionTokens({ keys, clock }: { keys: SessionKeys; clock: Clock }): SessionTokens {
  async function mint({ session, audience, scopes, generation, issuedAtMs, expiresAtMs }: TokenGrant): Promise<string> {
    const { id, key } = await keys.signing();
    const { uid: sid, namespace: ns, name, groupId: gid } = session;
    return new SignJWT({ sid, ns, name, gid, gen: generation, scope: scopes.join(' ') })
      .setProtectedHeader({ alg: algorithm, typ: type, kid: id })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject(session.userId)
      .setJti(randomUUID())
      .setIssuedAt(Math.floor(issuedAtMs / 1000))
      .setExpirationTime(Math.floor(expiresAtMs / 1000))
      .sign(key);
  }

  async function read(token: string, audience: string | undefined): Promise<TokenFacts> {
    const { payload } = await jwtVerify(token, (header) => keyFor(keys, header), {
      algorithms: [algorithm],
      typ: type,
      issuer,
      ...(audience !== undefined && { audience }),
      currentDate: new Date(clock.now()),
    });
    return factsOf(claims.parse(payload));
  }

  return {
    mint,
    async verify(token, audience) {
      try {
        return await read(token, audience);
      } catch (thrown) {
        throw refusalOf(thrown);
      }
    },
    async inspect(token) {
      try {
        return await read(token, undefined);
      } catch (thrown) {
        const refusal = refusalOf(thrown);
        if (refusal.code === 'unauthenticated') return undefined;
        throw refusal;
      }
    },
  };
}

async function keyFor(keys: SessionKeys, { kid }: JWTHeaderParameters) {
  const key = kid === undefined ? undefined : await keys.verifying(kid);
  if (!key) throw new errors.JWSSignatureVerificationFailed('no such key');
  return key;
}

function factsOf({ sid, ns, name, sub, gid, aud, gen, scope, iat, exp }: z.infer<typeof claims>): TokenFacts {
  const given = new Set(scope.split(' '));
  return {
    session: { uid: sid, namespace: ns, name, userId: sub, groupId: gid },
    audience: aud,
    scopes: sessionScopes.filter((each) => given.has(each)),
    generation: gen,
    issuedAtMs: iat * 1000,
    expiresAtMs: exp * 1000,
  };
}

/** The cause is left out: it could hold parts of the token. */
function refusalOf(thrown: unknown): TvmError {
  if (thrown instanceof TvmError) return thrown;
  const expired = thrown instanceof errors.JWTExpired;
  return new TvmError('unauthenticated', expired ? 'the token has expired' : 'the token is not good for this session', {
    reason: invalidToken,
    hint: 'Take the one that the session has now: vvm session connect NAME, or the Secret in its status.',
  });
}
