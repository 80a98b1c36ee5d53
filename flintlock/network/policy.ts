// What a machine may reach, as its record has it, and which names that is. Pure.
import { TvmError } from '@tvm/api/errors.ts';
import { networkSpec } from '@tvm/api/kinds/network.ts';
import { z } from 'zod';

const networkRule = z.strictObject({
  /** Either this or domain. */
  cidr: z.string().optional(),
  domain: z.string().optional(),
  /** Of TCP and UDP; empty: all. */
  ports: z.array(z.int()),
});
export type NetworkRule = z.infer<typeof networkRule>;

/** `none` with a network interface: it is there, and nothing is reached through it. */
export const networkPolicy = z.strictObject({
  egress: z.enum(['none', 'restricted', 'open']),
  allow: z.array(networkRule),
});
export type NetworkPolicy = z.infer<typeof networkPolicy>;

export const sealedOff: NetworkPolicy = { egress: 'none', allow: [] };

/** Throws `invalid_argument`. */
export function checkPolicy({ egress, allow }: NetworkPolicy): void {
  const rules = allow.map(({ cidr, domain, ports }) => ({ cidr, domain, ...(ports.length > 0 && { ports }) }));
  const checked = networkSpec.safeParse({ egress, ...(rules.length > 0 && { allow: rules }) });
  if (checked.success) return;
  const [issue] = checked.error.issues;
  const message = `network.${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'wrong'}`;
  throw new TvmError('invalid_argument', message, { reason: 'InvalidSpec' });
}

/** Whether a rule's domain means a name, which is in lower case and without a dot at its end. */
export function matchesDomain(domain: string, name: string): boolean {
  if (!domain.startsWith('*.')) return name === domain;
  return name.length > domain.length - 1 && name.endsWith(domain.slice(1));
}

/** Numbers of the rules that a name is allowed by; with egress open every name is, by no rule. */
export function rulesFor({ allow }: NetworkPolicy, name: string): number[] {
  return allow.flatMap(({ domain }, index) => (domain !== undefined && matchesDomain(domain, name) ? [index] : []));
}

export function mayAsk(policy: NetworkPolicy, name: string): boolean {
  return policy.egress === 'open' || (policy.egress === 'restricted' && rulesFor(policy, name).length > 0);
}
