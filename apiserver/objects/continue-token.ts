// The token that continues a list: the revision of its first page and the last object seen.
import { badRequest } from '../status/status-error.ts';

export interface Place {
  namespace: string;
  name: string;
}

const version = 'meta.k8s.io/v1';
const end = '\u0000';

/** `revision` -1: go on with what is there now. */
export function continueToken(revision: number, { namespace, name }: Place): string {
  const token = { v: version, rv: revision, start: `${namespace}/${name}${end}` };
  return Buffer.from(JSON.stringify(token)).toString('base64url');
}

/** Throws StatusError 400 for what is not a token of this server. */
export function parseContinueToken(token: string): { revision: number; place: Place } {
  try {
    const { v, rv, start } = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    const found = typeof start === 'string' && start.endsWith(end) ? start.slice(0, -1).split('/') : [];
    if (v === version && Number.isSafeInteger(rv) && found.length === 2) {
      return { revision: rv, place: { namespace: found[0] ?? '', name: found[1] ?? '' } };
    }
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
  }
  throw badRequest('invalid continue token: continue key is not valid');
}
