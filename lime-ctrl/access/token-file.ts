// Bearer tokens from a file of lines TOKEN,USER[,GROUP[,NAMESPACE…]]. Invariants: compared in constant time, as hashes; the
// file is read anew when it changes; a token is never logged. A token with namespaces is good for these alone.
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { Clock } from '@tvm/kit/clock.ts';
import { type Access, bearerTokenOf, type Caller, forbidden, notAccepted, type Question } from './access.ts';

const recheckMs = 1_000;
const minTokenLength = 16;
const hint =
  'Send "Authorization: Bearer TOKEN" with a token of the tokens file; "vvm status" shows where it is on its machine.';

interface Entry {
  hash: Buffer;
  caller: Caller;
}

export function makeTokenFileAccess(path: string, clock: Clock): Access {
  let entries: Entry[] = [];
  let version = '';
  let checkedMs = Number.NEGATIVE_INFINITY;

  function refresh(): void {
    if (clock.now() - checkedMs < recheckMs) return;
    checkedMs = clock.now();
    const found = statSync(path, { throwIfNoEntry: false });
    const seen = found ? `${found.mtimeMs} ${found.size} ${found.ino}` : 'none';
    if (seen === version) return;
    entries = found ? readEntries(path) : [];
    version = seen;
  }

  return {
    async authenticate(authorization) {
      const hash = hashOf(bearerTokenOf(authorization, hint));
      refresh();
      let caller: Caller | undefined;
      for (const entry of entries) if (timingSafeEqual(entry.hash, hash)) caller = entry.caller;
      if (!caller) throw notAccepted('the bearer token is not known', hint);
      return caller;
    },
    async authorize(caller, questions) {
      const { namespaces } = caller;
      if (namespaces === undefined) return;
      const refused = questions.find((question) => !isWithin(namespaces, question));
      if (refused) throw forbidden(caller, refused, `its token is for the namespaces ${namespaces.join(', ')}`);
    },
  };
}

function isWithin(namespaces: readonly string[], question: Question): boolean {
  return 'namespace' in question && namespaces.includes(question.namespace);
}

function readEntries(path: string): Entry[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .flatMap(entryOf);
}

/** A namespace that was left empty is one that no object is in, not a token for everything. */
function entryOf(line: string): Entry[] {
  const [token = '', user = '', group = '', ...namespaces] = line.split(',').map((field) => field.trim());
  if (token.length < minTokenLength || user === '') return [];
  const groups = group === '' ? [] : [group];
  const limited = namespaces.length > 0 && { namespaces: namespaces.filter((each) => each !== '') };
  return [{ hash: hashOf(token), caller: { user, groups, ...limited } }];
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
