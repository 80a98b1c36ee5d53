// How a VMM comes to its VM's network interface: pure functions of commands. Invariant: the VMM's user owns that one interface of
// the host, and may do nothing else to a network.
import { tap as tapName } from '../../network/names.ts';
import { attachTap, openTapDevice } from '../../network/tap.ts';
import type { VmNetwork } from '../driver.ts';

// Makes the interface where there is none (by attaching, TUNSETPERSIST), and gives it to a user (TUNSETOWNER).
const giveTap = `
use strict; my ($name, $uid) = @ARGV;
${openTapDevice}
${attachTap}
ioctl($tap, 0x400454cb, 1) or die "cannot keep $name: $!\\n";
ioctl($tap, 0x400454cc, $uid + 0) or die "cannot give $name away: $!\\n";`;

// Runs the command of so many words that comes first, and becomes the one after it.
const runBoth = `
my ($count, @words) = @ARGV;
system(splice(@words, 0, $count)) == 0 or exit(125);
exec(@words) or die "cannot run $words[0]: $!\\n";`;

/** The host's interface: where nothing is to be behind the VM's, one in a namespace that is nobody's. */
export function tapOf({ tap }: VmNetwork): string {
  return tap || tapName;
}

/** Options of unshare: a namespace that ends with the VMM, for a VM with nothing behind its interface. */
export function ownNamespace(network: VmNetwork | undefined): string[] {
  return network && network.tap === '' ? ['--net'] : [];
}

/** The namespace that the VMM is to join; undefined: the one it is in already. */
export function namespaceOf(network: VmNetwork | undefined): string | undefined {
  return network && network.tap !== '' ? network.namespace : undefined;
}

/** The words before a command that make it run in a namespace. */
export function enterNamespace(namespace: string | undefined): string[] {
  return namespace === undefined ? [] : ['nsenter', `--net=${namespace}`, '--'];
}

/** A command that runs with the interface given to its user; run in the namespace that `ownNamespace` made. */
export function withOwnTap(network: VmNetwork | undefined, uid: number, command: string[]): string[] {
  if (!network) return command;
  const enter = enterNamespace(namespaceOf(network));
  const give = [...enter, 'perl', '-e', giveTap, tapOf(network), `${uid}`];
  return ['perl', '-e', runBoth, `${give.length}`, ...give, ...command];
}
