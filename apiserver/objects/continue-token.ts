// The token that continues a list: the revision of its first page and the last object seen.
import { badRequest } from '../status/status-error.ts';

export interface Place {
  namespace: string;
  name: string;
}

/** `revision` -1: go on with what is there now. */
export function continueToken(revision: number, place: Place): string {
  return Buffer.from(JSON.stringify({ v: 1, rv: revision, ns: place.namespace, name: place.name })).toString(
    'base64url',
  );
}

/** Throws StatusError 400 for what is not a token of this server. */
export function parseContinueToken(token: string): { revision: number; place: Place } {
  try {
    const { v, rv, ns, name } = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    if (v === 1 && Number.isInteger(rv) && typeof ns === 'string' && typeof name === 'string') {
      return { revision: rv, place: { namespace: ns, name } };
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw badRequest('invalid continue token: continue key is not valid');
}
