// The questions that `kubectl auth` asks. There is one user here, who may do everything.
import { isJsonObject } from '../objects/api-object.ts';
import { methodNotAllowed } from '../status/status-error.ts';
import { parseBody, readBody } from './body.ts';
import { answerJson, type Exchange } from './exchange.ts';

export interface Review {
  group: string;
  kind: string;
  plural: string;
  status: (user: string) => object;
}

const all = ['*'];

export const reviews: readonly Review[] = [
  {
    group: 'authentication.k8s.io',
    kind: 'SelfSubjectReview',
    plural: 'selfsubjectreviews',
    status: (user) => ({ userInfo: { username: user, groups: ['system:masters', 'system:authenticated'] } }),
  },
  {
    group: 'authorization.k8s.io',
    kind: 'SelfSubjectAccessReview',
    plural: 'selfsubjectaccessreviews',
    status: () => ({ allowed: true }),
  },
  {
    group: 'authorization.k8s.io',
    kind: 'SelfSubjectRulesReview',
    plural: 'selfsubjectrulesreviews',
    status: () => ({
      resourceRules: [{ verbs: all, apiGroups: all, resources: all }],
      nonResourceRules: [{ verbs: all, nonResourceURLs: all }],
      incomplete: false,
    }),
  },
];

export function findReview(path: string): Review | undefined {
  return reviews.find(({ group, plural }) => path === `/apis/${group}/v1/${plural}`);
}

export async function handleReview(exchange: Exchange, review: Review): Promise<void> {
  if (exchange.method !== 'POST') throw methodNotAllowed();
  const body = parseBody(await readBody(exchange.request), review.kind);
  const spec = isJsonObject(body) ? body.spec : undefined;
  answerJson(exchange, 201, {
    kind: review.kind,
    apiVersion: `${review.group}/v1`,
    metadata: {},
    ...(spec !== undefined && { spec }),
    status: review.status(exchange.user),
  });
}
