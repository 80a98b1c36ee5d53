// Access as a cluster's API server decides it: TokenReview says who calls, SubjectAccessReview what they may do.
// What changes something is logged with who did it, since the cluster's own audit knows lime-ctrl alone.
// Invariants: a token is neither kept nor logged, only a keyed hash of it; an answer is used for a bounded time; when the
// API server does not answer, what is not known is refused as unavailable, never allowed.
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { group, version } from '@tvm/api/kinds/meta.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { KubeClient } from '@tvm/kit/kube/client.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { type Access, bearerTokenOf, type Caller, forbidden, notAccepted, type Question } from './access.ts';
import { type Answer, makeExpiringCache } from './expiring-cache.ts';
import { makeReviewer, subjectAccessReviews, tokenReviews } from './reviews.ts';
import { nameOfRule } from './route-rules.ts';

const maxTokens = 4_096;
const maxDecisions = 16_384;
/** What was refused is asked again sooner: rights are more often given in a hurry than taken. */
const refusalShare = 1 / 3;
const readingVerbs: ReadonlySet<string> = new Set(['get', 'list', 'watch']);

export interface KubernetesAccessDeps {
  client: KubeClient;
  clock: Clock;
  log: Logger;
  /** A token must be for one of these. None: for the API server itself. */
  audiences: readonly string[];
  /** How long an answer is used at most. */
  cacheMs: number;
}

interface Decision {
  allowed: boolean;
  why: string;
}

export function makeKubernetesAccess(deps: KubernetesAccessDeps): Access {
  const { clock, log, audiences, cacheMs } = deps;
  const review = makeReviewer(deps);
  const callers = makeExpiringCache<Caller | undefined>(maxTokens, clock);
  const decisions = makeExpiringCache<Decision>(maxDecisions, clock);
  const hashKey = randomBytes(32);
  const hint = `Send "Authorization: Bearer TOKEN" with a token of the cluster${
    audiences.length === 0 ? '' : ` for the audience ${audiences[0]}`
  }: kubectl create token SERVICEACCOUNT${audiences.length === 0 ? '' : ` --audience ${audiences[0]}`}. Tokens expire.`;

  function answer<T>(value: T, accepted: boolean): Answer<T> {
    return { value, goodForMs: accepted ? cacheMs : cacheMs * refusalShare };
  }

  async function whoseToken(token: string): Promise<Answer<Caller | undefined>> {
    const spec = { token, ...(audiences.length > 0 && { audiences: [...audiences] }) };
    const { authenticated, user, audiences: accepted = [] } = await review(tokenReviews, spec);
    // An API server that knows no audiences accepts a token that was made for somebody else.
    const isForUs = audiences.length === 0 || accepted.some((each) => audiences.includes(each));
    if (authenticated !== true || !user?.username || !isForUs) return answer(undefined, false);
    const { username, uid, groups = [], extra } = user;
    const caller = { user: username, groups, ...(uid && { uid }), ...(extra && { extra }) };
    return answer(caller, true);
  }

  async function decide({ user, groups, uid, extra }: Caller, question: Question): Promise<Answer<Decision>> {
    const subject = { user, groups, ...(uid && { uid }), ...(extra && { extra }) };
    const {
      allowed,
      denied,
      reason = '',
    } = await review(subjectAccessReviews, { ...subject, ...attributesOf(question) });
    const decision = { allowed: allowed === true && denied !== true, why: reason };
    return answer(decision, decision.allowed);
  }

  async function authorizeOne(caller: Caller, question: Question): Promise<void> {
    const key = createHash('sha256')
      .update(JSON.stringify([caller, question]))
      .digest('base64');
    const { allowed, why } = await decisions.get(key, () => decide(caller, question));
    if (!allowed) throw forbidden(caller, question, why);
  }

  return {
    async authenticate(authorization) {
      const token = bearerTokenOf(authorization, hint);
      const key = createHmac('sha256', hashKey).update(token).digest('base64');
      const caller = await callers.get(key, () => whoseToken(token));
      if (caller) return caller;
      throw notAccepted(
        'the cluster does not accept the bearer token: it is unknown, expired or for another audience',
        hint,
      );
    },
    async authorize(caller, questions) {
      await Promise.all(questions.map((question) => authorizeOne(caller, question)));
      for (const question of questions.filter(({ verb }) => !readingVerbs.has(verb))) {
        const { namespace = '', name = '' } = 'path' in question ? {} : question;
        log.info({ user: caller.user, right: nameOfRule(question), namespace, object: name }, 'allowed');
      }
    },
  };
}

function attributesOf(question: Question): object {
  if ('path' in question) return { nonResourceAttributes: { verb: question.verb, path: question.path } };
  const { verb, resource, subresource, namespace, name } = question;
  const given = { ...(subresource && { subresource }), ...(namespace && { namespace }), ...(name && { name }) };
  return { resourceAttributes: { group, version, verb, resource, ...given } };
}
