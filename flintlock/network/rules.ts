// Rules of nftables, as text: a pure function of what is to be enforced. Invariant: what no rule accepts is dropped; no rule of a
// policy comes before one that holds for every policy.
import { type AddressPair, guestLink } from './address-plan.ts';
import { type Block, contains, formatBlock, neverReached, parseBlock, privateBlocks } from './ipv4.ts';
import { linkPrefix, tableOf, tap, uplink } from './names.ts';
import type { NetworkPolicy, NetworkRule } from './policy.ts';

/** In a machine's namespace. */
export const machineTable = 'tvm';
/** Of the node's resolver, on the node's end of each link. */
export const resolverPort = 1053;
/** Connections of a machine at a time: the node's table of connections is everybody's. */
const maxConnections = 2048;
const maxNames = 1024;

/** The set with the addresses that names of a rule have at the moment. */
export function setOfRule(index: number): string {
  return `names${index}`;
}

export interface MachineRules {
  policy: NetworkPolicy;
  pair: AddressPair;
  /** Where all machines of the node have their addresses. */
  block: Block;
  /** In each direction; undefined: no limit. */
  bytesPerSecond?: number | undefined;
}

/** What holds in a machine's namespace. */
export function machineRules({ policy, pair, block, bytesPerSecond }: MachineRules): string {
  const sets = policy.allow.flatMap(({ domain }, index) => (domain === undefined ? [] : [nameSet(index)]));
  return `add table inet ${machineTable}
delete table inet ${machineTable}
table inet ${machineTable} {
  set never { type ipv4_addr; flags interval; auto-merge; elements = { ${list([...neverReached, block])} }; }
  set private { type ipv4_addr; flags interval; auto-merge; elements = { ${list(privateBlocks)} }; }
  set connections { type ipv4_addr; size 16; flags dynamic; }
${sets.join('')}  chain arrive {
    type filter hook prerouting priority raw; policy accept;
    meta nfproto ipv6 drop
    iifname "${tap}" ip saddr != ${guestLink.guest} drop
${bytesPerSecond === undefined ? '' : [tap, uplink].map((from) => tooFast(from, bytesPerSecond)).join('')}  }
  chain translate-in {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "${tap}" ip daddr ${guestLink.gateway} udp dport 53 dnat ip to ${pair.host}:${resolverPort}
    iifname "${tap}" ip daddr ${guestLink.gateway} tcp dport 53 dnat ip to ${pair.host}:${resolverPort}
  }
  chain translate-out {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "${uplink}" snat ip to ${pair.machine}
  }
  chain input {
    type filter hook input priority filter; policy drop;
    iifname "${tap}" ip daddr ${guestLink.gateway} icmp type echo-request limit rate 20/second accept
  }
  chain output {
    type filter hook output priority filter; policy drop;
    oifname "${tap}" ip protocol icmp accept
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    iifname "${uplink}" oifname "${tap}" ct state established,related accept
    iifname "${tap}" oifname "${uplink}" jump leave
  }
  chain leave {
    ct state invalid drop
    ip daddr ${pair.host} meta l4proto { tcp, udp } th dport ${resolverPort} accept
    ip daddr @never drop
    ct state new add @connections { ip saddr ct count over ${maxConnections} } drop
    ct state established,related accept
${leaving(policy)
  .map((rule) => `    ${rule}\n`)
  .join('')}    drop
  }
}
`;
}

/**
 * What comes faster is dropped, so that the senders slow down. At once may come what a second takes (the kernel adds it to the
 * burst) and one packet that the host has joined of many.
 */
function tooFast(from: string, bytesPerSecond: number): string {
  return `    iifname "${from}" limit rate over ${bytesPerSecond} bytes/second burst 65536 bytes drop\n`;
}

function nameSet(index: number): string {
  return `  set ${setOfRule(index)} { type ipv4_addr; flags timeout; size ${maxNames}; }\n`;
}

function leaving({ egress, allow }: NetworkPolicy): string[] {
  if (egress === 'none') return [];
  if (egress === 'open') return ['ip daddr @private drop', 'accept'];
  const rules = allow.map((rule, index) => ({ text: accepting(rule, index), isPrivate: isPrivate(rule) }));
  const texts = (wanted: boolean) => rules.filter((rule) => rule.isPrivate === wanted).map(({ text }) => text);
  return [
    'meta l4proto { tcp, udp } th dport { 53, 853 } drop',
    ...texts(true),
    'ip daddr @private drop',
    ...texts(false),
  ];
}

/** A private address is reached only by a rule that names nothing else. */
function isPrivate({ cidr }: NetworkRule): boolean {
  const block = cidr === undefined ? undefined : parseBlock(cidr);
  return block !== undefined && privateBlocks.some((outer) => contains(outer, block));
}

function accepting({ cidr, ports }: NetworkRule, index: number): string {
  const block = cidr === undefined ? undefined : parseBlock(cidr);
  const target = `ip daddr ${block ? formatBlock(block) : `@${setOfRule(index)}`}`;
  if (ports.length === 0) return `${target} accept`;
  return `${target} meta l4proto { tcp, udp } th dport { ${ports.join(', ')} } accept`;
}

export interface NodeRules {
  /** Where all machines of the node have their addresses. */
  block: Block;
  /** Addresses that no machine reaches, whatever its policy says. */
  refused: readonly Block[];
  /** Machines that there are, by their links; others come by `joinRules`. */
  present: ReadonlyMap<string, AddressPair>;
}

/** What holds on the node for all machines of a flintlock. */
export function nodeRules(owner: string, { block, refused, present }: NodeRules): string {
  const links = `"${linkPrefix(owner)}*"`;
  return `table inet ${tableOf(owner)} {
  set sources { type ifname . ipv4_addr; }
  set resolvers { type ifname . ipv4_addr . ipv4_addr; }
  set never { type ipv4_addr; flags interval; auto-merge; }
  chain arrive { type filter hook prerouting priority raw; policy accept; }
  chain input { type filter hook input priority filter; policy accept; }
  chain forward { type filter hook forward priority filter; policy accept; }
  chain translate-out { type nat hook postrouting priority srcnat; policy accept; }
}
flush set inet ${tableOf(owner)} sources
flush set inet ${tableOf(owner)} resolvers
flush set inet ${tableOf(owner)} never
flush chain inet ${tableOf(owner)} arrive
flush chain inet ${tableOf(owner)} input
flush chain inet ${tableOf(owner)} forward
flush chain inet ${tableOf(owner)} translate-out
table inet ${tableOf(owner)} {
  set never { type ipv4_addr; flags interval; auto-merge; elements = { ${list([...neverReached, block, ...refused])} }; }
  chain arrive {
    iifname ${links} meta nfproto ipv6 drop
    iifname ${links} iifname . ip saddr != @sources drop
  }
  chain input {
    iifname ${links} iifname . ip saddr . ip daddr @resolvers meta l4proto { tcp, udp } th dport ${resolverPort} accept
    iifname ${links} drop
  }
  chain forward {
    iifname ${links} oifname ${links} drop
    iifname ${links} ip daddr @never drop
    oifname ${links} ct state != { established, related } drop
  }
  chain translate-out {
    ip saddr ${formatBlock(block)} oifname != ${links} masquerade
  }
}
${[...present].map(([link, pair]) => joinRules(owner, link, pair)).join('')}`;
}

/** Makes the node take packets of a machine; what comes from its link before is dropped. */
export function joinRules(owner: string, link: string, pair: AddressPair): string {
  return elements('add', owner, link, pair);
}

export function leaveRules(owner: string, link: string, pair: AddressPair): string {
  return `${elements('add', owner, link, pair)}${elements('delete', owner, link, pair)}`;
}

/** Takes all of it away, when no machine is left. */
export function withdrawRules(owner: string): string {
  return `add table inet ${tableOf(owner)}\ndelete table inet ${tableOf(owner)}\n`;
}

function elements(verb: 'add' | 'delete', owner: string, link: string, { host, machine }: AddressPair): string {
  return `${verb} element inet ${tableOf(owner)} sources { "${link}" . ${machine} }
${verb} element inet ${tableOf(owner)} resolvers { "${link}" . ${machine} . ${host} }
`;
}

/** Lets the machine reach addresses that a name has, for so long; one that is there already counts anew. */
export function nameElements(index: number, addresses: readonly string[], seconds: number): string {
  const set = `inet ${machineTable} ${setOfRule(index)}`;
  const timed = addresses.map((address) => `${address} timeout ${seconds}s`).join(', ');
  const plain = addresses.join(', ');
  return `add element ${set} { ${plain} }\ndelete element ${set} { ${plain} }\nadd element ${set} { ${timed} }\n`;
}

function list(blocks: readonly Block[]): string {
  return blocks.map(formatBlock).join(', ');
}
