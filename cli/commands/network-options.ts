// --egress and --allow: what a machine may reach.
import { type Egress, egressPolicies, type NetworkSpec } from '@tvm/api/kinds/network.ts';
import { usageError } from '../exit-codes.ts';

export interface NetworkOptions {
  egress?: string;
  allow?: string[];
}

export const egressHelp = 'what it may reach: none, restricted (what --allow lists) or open (default: none)';
export const allowHelp = 'a name, *.NAME or CIDR that it may reach, with :PORT,PORT if not all; may be repeated';

/** What the options say; undefined: nothing. --allow alone means restricted. */
export function networkOf({ egress, allow }: NetworkOptions): NetworkSpec | undefined {
  if (egress === undefined && allow === undefined) return undefined;
  const policy = egress === undefined ? 'restricted' : policyOf(egress);
  if (allow && policy !== 'restricted') {
    throw usageError(`--allow is given with --egress ${policy}`, 'Leave --egress out, or say restricted.');
  }
  return { egress: policy, ...(allow && { allow: allow.map(ruleOf) }) };
}

function policyOf(text: string): Egress {
  const policy = egressPolicies.find((each) => each === text);
  if (policy) return policy;
  throw usageError(`unknown --egress "${text}"`, `Known: ${egressPolicies.join(', ')}.`);
}

function ruleOf(text: string) {
  const [target = '', ports, ...more] = text.split(':');
  if (target === '' || more.length > 0) throw wrong(text);
  return {
    ...targetOf(target),
    ...(ports !== undefined && { ports: ports.split(',').map((port) => portOf(port, text)) }),
  };
}

function targetOf(text: string): { cidr: string } | { domain: string } {
  if (!/^[\d.]+(\/\d+)?$/.test(text)) return { domain: text.toLowerCase() };
  return { cidr: text.includes('/') ? text : `${text}/32` };
}

function portOf(text: string, whole: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw wrong(whole);
}

function wrong(text: string) {
  return usageError(`"${text}" is nothing to allow`, 'Write --allow example.com:443, *.example.com or 203.0.113.0/24.');
}
