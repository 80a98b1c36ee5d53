// What makes and removes a machine's network, as input of the host's tools. Pure.
// Invariant: the rules of a namespace stand before any of its interfaces is up.
import { type AddressPair, guestLink } from './address-plan.ts';
import { type NetworkNames, namespaceFolder, tap, uplink } from './names.ts';

/** What the guest's interface and the node's end of it are called on the wire; the same for all, as snapshots want it. */
export const guestMac = '02:74:76:6d:00:02';
const gatewayMac = '02:74:76:6d:00:01';

/** For `ip -batch`, on the node. */
export function makeLink({ namespace, link }: NetworkNames, { host }: AddressPair): string {
  return `netns add ${namespace}
link add ${link} type veth peer name ${uplink} netns ${namespace}
address add ${host}/31 dev ${link}
`;
}

/** The same: the last step. */
export function openLink({ link }: NetworkNames): string {
  return `link set ${link} up\n`;
}

/** A shell's, in the namespace; the rules are its input. */
export function setUpNamespace({ host, machine }: AddressPair): string {
  return `set -e
cd /proc/sys/net
if [ -d ipv6 ]; then echo 1 >ipv6/conf/all/disable_ipv6; echo 1 >ipv6/conf/default/disable_ipv6; fi
echo 1 >ipv4/ip_forward
echo 1 >ipv4/conf/all/rp_filter
nft -f -
ip -batch - <<END
link set lo up
tuntap add ${tap} mode tap
link set ${tap} address ${gatewayMac}
address add ${guestLink.gateway}/${guestLink.prefix} dev ${tap}
link set ${tap} up
address add ${machine}/31 dev ${uplink}
link set ${uplink} up
route add default via ${host} dev ${uplink}
END
`;
}

export function namespacePath(namespace: string): string {
  return `${namespaceFolder}/${namespace}`;
}

/** What a guest is told of its interface. */
export const guestNetwork = {
  interface: 'eth0',
  address: `${guestLink.guest}/${guestLink.prefix}`,
  gateway: guestLink.gateway,
  dnsServers: [guestLink.gateway],
};
