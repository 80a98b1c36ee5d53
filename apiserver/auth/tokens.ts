// Bearer tokens, compared in constant time; only their digests stay in memory.
import { createHash, timingSafeEqual } from 'node:crypto';

export interface Authenticator {
  /** The user of an Authorization header; undefined when it proves nothing. */
  userOf(authorization: string | undefined): string | undefined;
}

const maximumTokenLength = 4096;

/** `tokens`: token to user. */
export function makeAuthenticator(tokens: ReadonlyMap<string, string>): Authenticator {
  const known = [...tokens].map(([token, user]) => ({ digest: digestOf(token), user }));
  return {
    userOf(authorization) {
      const [scheme = '', token = '', ...more] = (authorization ?? '').split(' ');
      if (scheme.toLowerCase() !== 'bearer' || more.length > 0 || token === '' || token.length > maximumTokenLength) {
        return undefined;
      }
      const digest = digestOf(token);
      const matches = known.filter((one) => timingSafeEqual(one.digest, digest));
      return matches[0]?.user;
    },
  };
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
