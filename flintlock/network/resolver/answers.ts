// What a machine gets to see of an answer, and which addresses it may reach from then on: a pure function. Invariant: no address
// outside of the Internet gets through, unless the policy names the addresses themselves.
import type { Answer, Packet } from 'dns-packet';
import { isWithin, neverReached, parseAddress, parseBlock, privateBlocks } from '../ipv4.ts';
import { type NetworkPolicy, rulesFor } from '../policy.ts';
import { normalName } from './questions.ts';

export interface FilteredAnswer {
  answers: Answer[];
  /** Addresses that the name has; empty when no rule is about it. */
  grants: { rule: number; addresses: string[] }[];
  /** How long the answer holds. */
  seconds: number;
}

const maxAnswers = 32;
const maxLinks = 16;
/** A record that changes is obeyed within the longest of these; a program connects within the shortest. */
export const holdSeconds = { least: 10, most: 300 } as const;

export function filterAnswer(policy: NetworkPolicy, name: string, type: string, response: Packet): FilteredAnswer {
  const records = response.answers ?? [];
  const names = namesBehind(name, records);
  const kept = records.filter((record) => isWanted(policy, names, type, record)).slice(0, maxAnswers);
  const seconds = Math.min(
    Math.max(Math.min(holdSeconds.most, ...kept.map(ttlOf)), holdSeconds.least),
    holdSeconds.most,
  );
  const answers = kept.map((record) => ({ ...record, ttl: Math.min(ttlOf(record), seconds) }) as Answer);
  const addresses = kept.flatMap((record) => (record.type === 'A' ? [record.data] : []));
  const onInternet = [...new Set(addresses)].filter((address) => isPublic(parseAddress(address)));
  const rules = onInternet.length === 0 ? [] : rulesFor(policy, name);
  return { answers, seconds, grants: rules.map((rule) => ({ rule, addresses: onInternet })) };
}

/** The name and those that it is an alias of. */
function namesBehind(name: string, records: readonly Answer[]): Set<string> {
  const names = new Set([name]);
  for (let link = 0; link < maxLinks; link++) {
    const before = names.size;
    for (const record of records) {
      if (record.type === 'CNAME' && names.has(normalName(record.name))) names.add(normalName(record.data));
    }
    if (names.size === before) break;
  }
  return names;
}

function isWanted(policy: NetworkPolicy, names: ReadonlySet<string>, type: string, record: Answer): boolean {
  if ((record.type !== type && record.type !== 'CNAME') || !names.has(normalName(record.name))) return false;
  if (record.type !== 'A') return true;
  const address = parseAddress(record.data);
  return isPublic(address) || isNamed(policy, address);
}

function isPublic(address: number | undefined): address is number {
  return address !== undefined && !isWithin(address, neverReached) && !isWithin(address, privateBlocks);
}

function isNamed({ allow }: NetworkPolicy, address: number | undefined): boolean {
  if (address === undefined || isWithin(address, neverReached)) return false;
  const named = allow.flatMap(({ cidr }) => (cidr === undefined ? [] : (parseBlock(cidr) ?? [])));
  return isWithin(address, named);
}

function ttlOf(record: Answer): number {
  return 'ttl' in record ? (record.ttl ?? 0) : 0;
}
