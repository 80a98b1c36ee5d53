// An API server's reviews for tests: tokens with their users and audiences, and what is allowed to whom.
import { TvmError } from '@tvm/api/errors.ts';
import type { KubeClient } from '@tvm/kit/kube/client.ts';

export interface FakeUser {
  username: string;
  groups?: string[];
  uid?: string;
  extra?: Record<string, string[]>;
  /** What the token is for; the API server itself when absent. */
  audiences?: string[];
}

export interface FakeReviews {
  client: KubeClient;
  users: Map<string, FakeUser>;
  /** "user verb resource[/subresource] namespace[/name]", or "user verb /path". `*` as the namespace: everywhere. */
  allowed: Set<string>;
  /** Every review that was asked for, its kind. */
  asked: string[];
  /** What the next reviews fail with. */
  failure: ((sent: object) => Error) | undefined;
  /** A token is accepted whatever audience is asked for, as by an API server that knows of none. */
  ignoresAudiences: boolean;
  /** Reviews wait for this. */
  held: Promise<void>;
}

const apiServer = 'https://kubernetes.default.svc';

interface Attributes {
  verb: string;
  path?: string;
  resource?: string;
  subresource?: string;
  namespace?: string;
  name?: string;
}

interface Spec {
  token: string;
  audiences?: string[];
  user: string;
  resourceAttributes?: Attributes;
  nonResourceAttributes?: Attributes;
}

export function makeFakeReviews(): FakeReviews {
  const fake: FakeReviews = {
    users: new Map(),
    allowed: new Set(),
    asked: [],
    failure: undefined,
    ignoresAudiences: false,
    held: Promise.resolve(),
    client: {
      create: async (resource: { kind: string }, sent: object) => {
        fake.asked.push(resource.kind);
        await fake.held;
        if (fake.failure) throw fake.failure(sent);
        const { spec } = sent as { spec: Spec };
        const status = resource.kind === 'TokenReview' ? tokenStatus(fake, spec) : accessStatus(fake, spec);
        return { ...sent, status };
      },
    } as unknown as KubeClient,
  };
  return fake;
}

function tokenStatus({ users, ignoresAudiences }: FakeReviews, { token, audiences = [apiServer] }: Spec): object {
  const { audiences: own = [apiServer], ...user } = users.get(token) ?? { username: '' };
  if (user.username === '') return { user: {}, error: 'invalid bearer token' };
  if (ignoresAudiences) return { authenticated: true, user };
  const accepted = own.filter((each) => audiences.includes(each));
  if (accepted.length === 0) return { user: {}, error: 'token audiences do not match' };
  return { authenticated: true, user, audiences: accepted };
}

function accessStatus({ allowed }: FakeReviews, { user, resourceAttributes, nonResourceAttributes }: Spec): object {
  if (nonResourceAttributes) {
    return { allowed: allowed.has(`${user} ${nonResourceAttributes.verb} ${nonResourceAttributes.path}`) };
  }
  if (!resourceAttributes) throw new TvmError('invalid_argument', 'neither a resource nor a path');
  const { verb, resource, subresource, namespace = '', name } = resourceAttributes;
  const what = `${user} ${verb} ${resource}${subresource ? `/${subresource}` : ''}`;
  const places = ['*', ...(namespace ? [namespace, `${namespace}/${name}`] : [])];
  return { allowed: places.some((place) => allowed.has(`${what} ${place}`)) };
}
