// One TokenReview or SubjectAccessReview at the API server. Invariants: ends within its deadline; whatever goes wrong is
// `unavailable` and says nothing of what was asked, since that may be a token; what an API server answers is checked.
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { ApiObject, KubeClient, Resource } from '@tvm/kit/kube/client.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { z } from 'zod';

const deadlineMs = 5_000;
/** More at once are callers who make up tokens. */
const maxUnderWay = 256;
const retryAfterSeconds = 5;
const logEveryMs = 10_000;

export interface ReviewKind<Status> {
  resource: Resource<ApiObject>;
  status: z.ZodType<Status>;
}

function kindOf<Status>(api: string, kind: string, status: z.ZodType<Status>): ReviewKind<Status> {
  const plural = `${kind.toLowerCase()}s`;
  return { resource: { apiVersion: `${api}/v1`, kind, plural, namespaced: false }, status };
}

export const tokenReviews = kindOf(
  'authentication.k8s.io',
  'TokenReview',
  z.looseObject({
    authenticated: z.boolean().optional(),
    audiences: z.array(z.string()).optional(),
    user: z
      .looseObject({
        username: z.string().optional(),
        uid: z.string().optional(),
        groups: z.array(z.string()).optional(),
        extra: z.record(z.string(), z.array(z.string())).optional(),
      })
      .optional(),
  }),
);

export const subjectAccessReviews = kindOf(
  'authorization.k8s.io',
  'SubjectAccessReview',
  z.looseObject({
    allowed: z.boolean().optional(),
    denied: z.boolean().optional(),
    reason: z.string().optional(),
  }),
);

export interface ReviewDeps {
  client: KubeClient;
  clock: Clock;
  log: Logger;
}

export type Review = <Status>(kind: ReviewKind<Status>, spec: object) => Promise<Status>;

/** Throws unavailable, with the seconds after which to try again. */
export function makeReviewer({ client, clock, log }: ReviewDeps): Review {
  let underWay = 0;
  let loggedMs = Number.NEGATIVE_INFINITY;

  function failed({ kind }: Resource<ApiObject>, thrown: unknown): TvmError {
    const { code, reason } = TvmError.from(thrown);
    if (clock.now() - loggedMs >= logEveryMs) {
      loggedMs = clock.now();
      log.warn({ review: kind, code, reason }, 'the API server does not review');
    }
    const mayNot = code === 'permission_denied' || code === 'unauthenticated';
    return new TvmError('unavailable', `the API server gives no ${kind} (${code})`, {
      reason: 'NoReview',
      hint: mayNot ? `lime-ctrl lacks the right to create ${kind}s: see its ClusterRole.` : 'Try again.',
      retryAfterSeconds,
    });
  }

  return async ({ resource, status }, spec) => {
    if (underWay >= maxUnderWay) throw failed(resource, new TvmError('resource_exhausted', 'too many at once'));
    const { apiVersion, kind } = resource;
    const object: ApiObject & { spec: object } = { apiVersion, kind, metadata: { name: undefined as never }, spec };
    underWay += 1;
    try {
      const answered = await withDeadline(clock, client.create(resource, object));
      return status.parse((answered as { status?: unknown }).status);
    } catch (thrown) {
      throw failed(resource, thrown);
    } finally {
      underWay -= 1;
    }
  };
}

async function withDeadline<T>(clock: Clock, call: Promise<T>): Promise<T> {
  const settled = new AbortController();
  const late = clock.sleep(deadlineMs, settled.signal).then(() => {
    throw new TvmError('deadline_exceeded', `no answer within ${deadlineMs} ms`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([call, late]);
  } finally {
    settled.abort();
  }
}
