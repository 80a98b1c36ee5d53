// The namespaces that a real node lives in: network, mounts and processes of its own, held by one process.
// Invariant: when that process ends, as it does with the test that started it, the kernel ends every process of the node (pods
// and what their parents forgot too) and takes its mounts and interfaces away. The host never sees them.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import { type Program, startProgram, untilReady } from '../child.ts';
import { outputOf, runCommand } from '../run-command.ts';
import { type AddressPlan, planAddresses, planCount } from './address-plan.ts';

const readyTimeoutMs = 20_000;

/** What the kubelet sets for the whole machine unless it finds it set: it sees these instead of the kernel's own. */
const kernelSettings: Record<string, string> = {
  'vm/overcommit_memory': '1',
  'vm/panic_on_oom': '0',
  'kernel/panic': '10',
  'kernel/panic_on_oops': '1',
  'kernel/keys/root_maxkeys': '1000000',
  'kernel/keys/root_maxbytes': '25000000',
};

export interface Namespaces extends AsyncDisposable {
  addresses: AddressPlan;
  /** Command line that runs a program in the node's network alone. */
  inNetwork(file: string, args: string[]): [file: string, args: string[]];
  /** Command line that runs a program on the node: in all its namespaces. */
  onNode(file: string, args: string[]): [file: string, args: string[]];
}

export interface NamespacesOptions {
  /** The node sees its lib/ as /var/lib and its log/ as /var/log. */
  folder: string;
  /** The program that becomes the node's first process. */
  pause: string;
  /** Whether the node has the host's /dev/kvm, if that has one. */
  kvm: boolean;
}

export async function makeNamespaces({ folder, pause, kvm }: NamespacesOptions): Promise<Namespaces> {
  await using started = new AsyncDisposableStack();
  await writeKernelSettings(join(folder, 'sys'));
  for (const name of ['lib', 'log']) await mkdir(join(folder, name), { recursive: true });
  const holder = started.use(
    startProgram(
      'namespaces',
      'unshare',
      [
        '--mount',
        '--net',
        '--pid',
        '--fork',
        '--kill-child',
        '--mount-proc',
        'sh',
        '-euc',
        setUp,
        folder,
        pause,
        kvm ? 'kvm' : '',
      ],
      join(folder, 'namespaces.log'),
    ),
  );
  await untilReady(holder, () => exists(join(folder, 'namespaces.ready')), readyTimeoutMs);
  const first = await firstProcess(holder);
  const inNetwork: Namespaces['inNetwork'] = (file, args) => [
    'nsenter',
    [`--net=/proc/${first}/ns/net`, '--', file, ...args],
  ];
  const addresses = await connect(first, inNetwork);
  started.defer(() => removeLink(addresses.linkName));
  const stack = started.move();
  return {
    addresses,
    inNetwork,
    // The inner setpriv ends the program with nsenter, which does not pass on signals.
    onNode: (file, args) => [
      'nsenter',
      [`--target=${first}`, '--mount', '--net', '--pid', '--', 'setpriv', '--pdeathsig', 'KILL', file, ...args],
    ],
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Run as the first process: $0 is the cluster's folder, $1 the program to become, $2 is empty when KVM is hidden. */
const setUp = `
mount --make-rshared /
mount --bind "$0/lib" /var/lib
mount --bind "$0/log" /var/log
mount -t tmpfs tmpfs /run
for setting in ${Object.keys(kernelSettings).join(' ')}; do
  mount --bind "$0/sys/$setting" "/proc/sys/$setting"
done
if [ -z "$2" ] && [ -e /dev/kvm ]; then : >"$0/no-device"; mount --bind "$0/no-device" /dev/kvm; fi
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
for family in iptables ip6tables; do
  bridge=/proc/sys/net/bridge/bridge-nf-call-$family
  if [ -e $bridge ]; then echo 1 >$bridge; fi
done
: >"$0/namespaces.ready"
exec "$1"
`;

async function writeKernelSettings(folder: string): Promise<void> {
  for (const [name, value] of Object.entries(kernelSettings)) {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), `${value}\n`);
  }
}

/** The process id, as the host sees it, of the only child. */
async function firstProcess({ pid }: Program): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  const child = Number.parseInt(children, 10);
  if (Number.isNaN(child)) throw new TvmError('internal', 'the namespaces have no first process');
  return child;
}

/** Joins the node's network to the host by the first link that nobody has. */
async function connect(first: number, inNetwork: Namespaces['inNetwork']): Promise<AddressPlan> {
  const ip = (...args: string[]) => outputOf('ip', args);
  const ipThere = (...args: string[]) => outputOf(...inNetwork('ip', args));
  const plan = await claimLink(first);
  await ip('addr', 'add', `${plan.hostAddress}/30`, 'dev', plan.linkName);
  await ip('link', 'set', plan.linkName, 'up');
  await ipThere('addr', 'add', `${plan.nodeAddress}/30`, 'dev', 'eth0');
  await ipThere('link', 'set', 'eth0', 'up');
  await ipThere('route', 'add', 'default', 'via', plan.hostAddress);
  for (const range of [plan.podRange, plan.serviceRange]) await ip('route', 'add', range, 'via', plan.nodeAddress);
  return plan;
}

async function claimLink(first: number): Promise<AddressPlan> {
  let why = '';
  for (let number = 0; number < planCount; number += 1) {
    const plan = planAddresses(number);
    const peer = ['peer', 'name', 'eth0', 'netns', String(first)];
    const { exitCode, stderr } = await runCommand('ip', ['link', 'add', plan.linkName, 'type', 'veth', ...peer]);
    if (exitCode === 0) return plan;
    why = stderr.trim();
  }
  throw new TvmError('unavailable', `no network for a cluster: ${why}`);
}

/** It goes with the namespace, but a little later; one that is gone already is as good. */
async function removeLink(name: string): Promise<void> {
  await runCommand('ip', ['link', 'delete', name]);
}

async function exists(path: string): Promise<boolean> {
  return readFile(path).then(
    () => true,
    () => false,
  );
}
