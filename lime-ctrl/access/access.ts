// Who calls and what they may do: the port that REST uses, and its refusals. Invariant: nothing is allowed by default or by
// failure: whatever cannot be found out is refused.
import { TvmError } from '@tvm/api/errors.ts';
import { group } from '@tvm/api/kinds/meta.ts';

export interface Caller {
  user: string;
  groups: string[];
  uid?: string;
  /** What the authenticator knows beside, handed on as it is. */
  extra?: Record<string, string[]>;
  /** The only namespaces that the token is good for; none: all. */
  namespaces?: readonly string[];
}

/** May somebody do this? On resources as Kubernetes names them, or on a URL that is about the whole. */
export type Question =
  | {
      verb: string;
      resource: string;
      subresource: string;
      /** Empty: all of them. */
      namespace: string;
      /** Empty: none in particular. */
      name: string;
    }
  | { verb: string; path: string };

export interface Access {
  /** Who the value of an Authorization header is. Throws unauthenticated; unavailable when that cannot be found out now. */
  authenticate(authorization: string | undefined): Promise<Caller>;
  /** Returns when all is allowed. Throws permission_denied; unavailable when that cannot be found out now. */
  authorize(caller: Caller, questions: readonly Question[]): Promise<void>;
}

/** Reason of an unauthenticated whose token was given and is not accepted. */
export const invalidToken = 'InvalidToken';
const maxTokenLength = 8192;

/** The token of an Authorization header. Throws unauthenticated. */
export function bearerTokenOf(authorization: string | undefined, hint: string): string {
  if (authorization === undefined || authorization === '') {
    throw new TvmError('unauthenticated', 'no bearer token is given', { hint });
  }
  const token = /^Bearer ([\x21-\x7e]+)$/i.exec(authorization)?.[1];
  if (token === undefined) throw notAccepted('the Authorization header is no bearer token', hint);
  if (token.length > maxTokenLength) throw notAccepted(`the token has more than ${maxTokenLength} characters`, hint);
  return token;
}

export function notAccepted(why: string, hint: string): TvmError {
  return new TvmError('unauthenticated', why, { reason: invalidToken, hint });
}

/** Says it as Kubernetes does: who may not do what, on which resource, where. */
export function forbidden({ user }: Caller, question: Question, why = ''): TvmError {
  const because = why === '' ? '' : `: ${why}`;
  if ('path' in question) {
    return new TvmError(
      'permission_denied',
      `User "${user}" cannot ${question.verb} path "${question.path}"${because}`,
      {
        reason: 'Forbidden',
        hint: `A ClusterRole with nonResourceURLs: ["${question.path}"] and verbs: ["${question.verb}"] allows it.`,
      },
    );
  }
  const { verb, namespace, name } = question;
  const resource = resourceNameOf(question);
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  const message = `User "${user}" cannot ${verb} resource "${resource}" in API group "${group}" ${where}${because}`;
  return new TvmError('permission_denied', message, {
    reason: 'Forbidden',
    ...(name !== '' && { object: `${question.resource}/${namespace}/${name}` }),
    hint: `A ${namespace === '' ? 'ClusterRole' : 'Role'} with apiGroups: ["${group}"], resources: ["${resource}"] and verbs: ["${verb}"] allows it.`,
  });
}

function resourceNameOf({ resource, subresource }: { resource: string; subresource: string }): string {
  return subresource === '' ? resource : `${resource}/${subresource}`;
}
