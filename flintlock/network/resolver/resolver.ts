// The resolver of one machine, by questions. Invariant: an address is let through before the machine learns of it.
import type { Logger } from '@tvm/kit/log.ts';
import { encode, type Packet, RECURSION_AVAILABLE, RECURSION_DESIRED, TRUNCATED_RESPONSE } from 'dns-packet';
import type { NetworkPolicy } from '../policy.ts';
import { type FilteredAnswer, filterAnswer } from './answers.ts';
import { codes, decide } from './questions.ts';
import type { askUpstream } from './upstream.ts';

export interface ResolverDeps {
  policy: NetworkPolicy;
  /** Read anew for each question. */
  servers: () => Promise<readonly string[]>;
  ask: typeof askUpstream;
  /** Lets the machine reach addresses of a rule's name, for so long. */
  grant: (rule: number, addresses: readonly string[], seconds: number) => Promise<void>;
  /** Milliseconds. */
  now: () => number;
  log: Logger;
}

/** Answers one message. Undefined: it deserves no answer. */
export type Resolver = (query: Packet, maxBytes: number) => Promise<Buffer>;

/** Questions a second, and how many at once after a rest. */
const rate = { perSecond: 20, burst: 100 };
const maxOpen = 32;
/** What was granted is granted for longer than the answer holds, so that not every question changes the rules. */
const graceSeconds = 10;
const maxRemembered = 4096;

export function makeResolver(deps: ResolverDeps): Resolver {
  const { policy, log } = deps;
  const granted = new Map<string, number>();
  let open = 0;
  let tokens = rate.burst;
  let filledAtMs = deps.now();

  function mayAskNow(): boolean {
    const nowMs = deps.now();
    tokens = Math.min(rate.burst, tokens + ((nowMs - filledAtMs) / 1000) * rate.perSecond);
    filledAtMs = nowMs;
    if (tokens < 1 || open >= maxOpen) return false;
    tokens -= 1;
    return true;
  }

  async function grantAll({ grants, seconds }: FilteredAnswer): Promise<void> {
    const nowMs = deps.now();
    if (granted.size > maxRemembered) granted.clear();
    for (const { rule, addresses } of grants) {
      const due = addresses.filter((address) => (granted.get(`${rule} ${address}`) ?? 0) < nowMs + seconds * 1000);
      if (due.length === 0) continue;
      await deps.grant(rule, due, seconds + graceSeconds);
      for (const address of due) granted.set(`${rule} ${address}`, nowMs + (seconds + graceSeconds) * 1000);
    }
  }

  return async (query, maxBytes) => {
    if (!mayAskNow()) return responseTo(query, codes.refused, []);
    const decision = decide(policy, query);
    if (decision.kind === 'answer') {
      log.debug({ name: query.questions?.[0]?.name, code: decision.code }, 'a question that is not passed on');
      return responseTo(query, decision.code, []);
    }
    open += 1;
    try {
      const response = await deps.ask(await deps.servers(), decision.question);
      const filtered = filterAnswer(policy, decision.name, decision.question.type, response);
      await grantAll(filtered);
      const bytes = responseTo(query, (response.flags ?? 0) & 0xf, filtered.answers);
      return bytes.length <= maxBytes ? bytes : responseTo(query, codes.ok, [], TRUNCATED_RESPONSE);
    } catch (err) {
      log.debug({ err, name: decision.name }, 'a question that nobody answers');
      return responseTo(query, codes.serverFailure, []);
    } finally {
      open -= 1;
    }
  };
}

function responseTo({ id, questions, flags = 0 }: Packet, code: number, answers: Packet['answers'], more = 0): Buffer {
  const kept = (flags & RECURSION_DESIRED) | RECURSION_AVAILABLE | more | code;
  const [question] = questions ?? [];
  return encode({
    type: 'response',
    ...(id !== undefined && { id }),
    flags: kept,
    questions: question ? [question] : [],
    answers: answers ?? [],
  });
}
