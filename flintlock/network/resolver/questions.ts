// What becomes of a question of a machine: a pure function of its policy. Invariant: a name that is not on the list never leaves the
// node, whatever is asked of it.
import type { Packet, Question } from 'dns-packet';
import { mayAsk, type NetworkPolicy } from '../policy.ts';

export const codes = { ok: 0, formatError: 1, serverFailure: 2, notImplemented: 4, refused: 5 } as const;

export type Decision =
  | { kind: 'ask'; question: Question; name: string }
  | { kind: 'answer'; code: (typeof codes)[keyof typeof codes] };

const forwarded = new Set(['A', 'CNAME', 'TXT', 'MX', 'SRV', 'NS', 'SOA', 'CAA', 'PTR']);
/** Machines have no IPv6, and these carry addresses that the rules would not know of. */
const empty = new Set(['AAAA', 'HTTPS', 'SVCB']);
const maxNameLength = 253;

export function decide(policy: NetworkPolicy, query: Packet): Decision {
  const [question, ...others] = query.questions ?? [];
  if (query.type !== 'query' || !question || others.length > 0) return { kind: 'answer', code: codes.formatError };
  if ((((query.flags ?? 0) >> 11) & 0xf) !== 0 || (question.class ?? 'IN') !== 'IN') {
    return { kind: 'answer', code: codes.notImplemented };
  }
  const name = normalName(question.name);
  if (name.length > maxNameLength || !/^[a-z0-9_.-]+$/.test(name) || !mayAsk(policy, name)) {
    return { kind: 'answer', code: codes.refused };
  }
  if (empty.has(question.type)) return { kind: 'answer', code: codes.ok };
  if (!forwarded.has(question.type)) return { kind: 'answer', code: codes.notImplemented };
  return { kind: 'ask', question: { type: question.type, class: 'IN', name }, name };
}

export function normalName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}
