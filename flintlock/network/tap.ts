// How a VMM gets a machine's network interface as an open descriptor: a pure function of commands. Invariant: the VMM needs
// neither the device nor the machine's network namespace, and a sandbox may keep it from both.
import type { Command } from '../confinement/sandbox.ts';
import type { VmNetwork } from '../vmm/driver.ts';

/** The descriptor's number in the program: the first after its standard ones. */
export const tapDescriptor = 3;

/** Perl: attaches $tap, which is open, to the interface $name (TUNSETIFF, IFF_TAP | IFF_NO_PI). */
export const attachTap =
  'ioctl($tap, 0x400454ca, pack("Z16 S x22", $name, 0x1002)) or die "cannot attach to $name: $!\\n";';
/** Perl: $tap is the host's device for interfaces. */
export const openTapDevice = 'open(my $tap, "+<", "/dev/net/tun") or die "cannot open /dev/net/tun: $!\\n";';

// Attaches to the interface and becomes the program.
const openTap = `
use strict; my ($name, @command) = @ARGV;
$^F = ${tapDescriptor};
${openTapDevice}
fileno($tap) == ${tapDescriptor} or die "descriptors are open that should not be\\n";
${attachTap}
exec(@command) or die "cannot run $command[0]: $!\\n";`;

/**
 * The command that runs another with the interface as descriptor 3. It begins in the machine's namespace: a sandbox that the
 * program makes for itself leaves that.
 */
export function withTap(network: VmNetwork | undefined, { program, args }: Command): Command {
  if (!network || network.tap === '') return { program, args };
  const { namespace, tap } = network;
  return { program: 'nsenter', args: [`--net=${namespace}`, '--', 'perl', '-e', openTap, tap, program, ...args] };
}
