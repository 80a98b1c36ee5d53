// Bearer tokens from a file of lines TOKEN,USER[,GROUP]. Invariants: compared in constant time, as hashes; the file is read
// anew when it changes; a token is never logged.
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';

const recheckMs = 1_000;
const minTokenLength = 16;

export interface Caller {
  user: string;
  group: string | undefined;
}

export interface Tokens {
  /** Who the value of an Authorization header is. Throws unauthenticated. */
  authenticate(authorization: string | undefined): Caller;
}

interface Entry extends Caller {
  hash: Buffer;
}

export function makeTokens(path: string, clock: Clock): Tokens {
  let entries: Entry[] = [];
  let version = '';
  let checkedMs = Number.NEGATIVE_INFINITY;

  function refresh(): void {
    if (clock.now() - checkedMs < recheckMs) return;
    checkedMs = clock.now();
    const found = statSync(path, { throwIfNoEntry: false });
    const seen = found ? `${found.mtimeMs} ${found.size} ${found.ino}` : 'none';
    if (seen === version) return;
    entries = found ? readTokens(path) : [];
    version = seen;
  }

  return {
    authenticate(authorization) {
      const token = /^Bearer ([\x21-\x7e]{1,1024})$/i.exec(authorization ?? '')?.[1];
      if (token === undefined) throw refused('no bearer token is given');
      refresh();
      const hash = hashOf(token);
      let caller: Caller | undefined;
      for (const entry of entries) if (timingSafeEqual(entry.hash, hash)) caller = entry;
      if (!caller) throw refused('the bearer token is not known');
      return { user: caller.user, group: caller.group };
    },
  };
}

function readTokens(path: string): Entry[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .flatMap((line) => {
      const [token = '', user = '', group] = line.split(',').map((field) => field.trim());
      return token.length >= minTokenLength && user !== '' ? [{ hash: hashOf(token), user, group }] : [];
    });
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function refused(why: string): TvmError {
  return new TvmError('unauthenticated', why, {
    hint: 'Send "Authorization: Bearer TOKEN" with a token of the tokens file; "vvm status" shows where it is.',
  });
}
