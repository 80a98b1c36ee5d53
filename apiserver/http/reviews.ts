// The questions about users and what they may do. Whoever has a token here may do everything.
import type { Authenticator } from '../auth/tokens.ts';
import { isJsonObject, type JsonObject } from '../objects/api-object.ts';
import { type FieldError, invalid } from '../status/field-error.ts';
import { badRequest, invalidObject, methodNotAllowed } from '../status/status-error.ts';
import { accepted } from './accept.ts';
import { parseBody, readBody } from './body.ts';
import { answerObject, type Exchange } from './exchange.ts';

interface Asked {
  /** Who asks. */
  user: string;
  spec: JsonObject;
  authenticator: Authenticator;
}

export interface Review {
  group: string;
  kind: string;
  plural: string;
  status: (asked: Asked) => object;
}

const all = ['*'];
const administrators = 'system:masters';
const infoOf = (username: string) => ({ username, groups: [administrators, 'system:authenticated'] });

/** For whom the tokens of this server are. */
const ownAudience = 'https://kubernetes.default.svc';
const authentication = 'authentication.k8s.io';
const authorization = 'authorization.k8s.io';

function tokenStatus({ spec, authenticator }: Asked): object {
  if (!spec.token) throw badRequest('token is required for TokenReview in authentication');
  const user = authenticator.userOf(`Bearer ${spec.token}`);
  const audiences = Array.isArray(spec.audiences) && spec.audiences.length > 0 ? spec.audiences : [ownAudience];
  if (user === undefined || !audiences.includes(ownAudience)) return { user: {}, error: 'invalid bearer token' };
  return { authenticated: true, user: infoOf(user), audiences: [ownAudience] };
}

function ownAccessStatus({ spec }: Asked): object {
  checkAccess(attributeErrors(spec));
  return { allowed: true };
}

/** The user need not exist: the groups decide. */
function accessStatus({ spec }: Asked): object {
  const groups = Array.isArray(spec.groups) ? spec.groups : [];
  const nobody = invalid('spec.user', '', 'at least one of user or group must be specified');
  checkAccess([...attributeErrors(spec), ...(spec.user || groups.length > 0 ? [] : [nobody])]);
  return { allowed: groups.includes(administrators) };
}

function attributeErrors({ resourceAttributes, nonResourceAttributes }: JsonObject): FieldError[] {
  if (Boolean(resourceAttributes) !== Boolean(nonResourceAttributes)) return [];
  return [invalid('spec', null, 'exactly one of nonResourceAttributes or resourceAttributes must be specified')];
}

function checkAccess(errors: FieldError[]): void {
  if (errors.length > 0) throw invalidObject({ group: authorization, kind: '' }, '', errors);
}

export const reviews: readonly Review[] = [
  {
    group: authentication,
    kind: 'SelfSubjectReview',
    plural: 'selfsubjectreviews',
    status: ({ user }) => ({ userInfo: infoOf(user) }),
  },
  { group: authentication, kind: 'TokenReview', plural: 'tokenreviews', status: tokenStatus },
  {
    group: authorization,
    kind: 'SelfSubjectAccessReview',
    plural: 'selfsubjectaccessreviews',
    status: ownAccessStatus,
  },
  {
    group: authorization,
    kind: 'SelfSubjectRulesReview',
    plural: 'selfsubjectrulesreviews',
    status: () => ({
      resourceRules: [{ verbs: all, apiGroups: all, resources: all }],
      nonResourceRules: [{ verbs: all, nonResourceURLs: all }],
      incomplete: false,
    }),
  },
  { group: authorization, kind: 'SubjectAccessReview', plural: 'subjectaccessreviews', status: accessStatus },
];

export function findReview(path: string): Review | undefined {
  return reviews.find(({ group, plural }) => path === `/apis/${group}/v1/${plural}`);
}

/** Throws StatusError 400, 405, 406, 415. */
export async function handleReview(authenticator: Authenticator, exchange: Exchange, review: Review): Promise<void> {
  if (exchange.method !== 'POST') throw methodNotAllowed();
  const { format } = accepted(exchange.request.headers.accept);
  const body = parseBody(await readBody(exchange.request), review.kind);
  if (!isJsonObject(body)) throw badRequest(`the object provided is unrecognized (must be of type ${review.kind})`);
  const spec = isJsonObject(body.spec) ? body.spec : {};
  const { kind, group } = review;
  const status = review.status({ user: exchange.user, spec, authenticator });
  answerObject(exchange, 201, { kind, apiVersion: `${group}/v1`, metadata: {}, spec, status }, format);
}
