// What a machine may reach, between what is declared and what a node is asked for. Pure.
import type { NetworkSpec } from '@tvm/api/kinds/network.ts';

/** For a MachineSpec. Egress none is no network interface at all. */
export function networkOf(network: NetworkSpec | undefined) {
  if (!network || network.egress === 'none') return {};
  const allow = (network.allow ?? []).map(({ cidr = '', domain = '', ports = [] }) => ({ cidr, domain, ports }));
  return { network: { egress: network.egress, allow } };
}

/** The same for the same policy, of either form; empty: no network. */
export function networkKey(network: PolicyLike | undefined): string {
  if (!network || network.egress === 'none') return '';
  const rules = (network.allow ?? []).map(({ cidr = '', domain = '', ports = [] }) => [cidr, domain, ports]);
  return JSON.stringify([network.egress, rules]);
}

interface PolicyLike {
  egress: string;
  allow?: { cidr?: string | undefined; domain?: string | undefined; ports?: number[] | undefined }[] | undefined;
}
