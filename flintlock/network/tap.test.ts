import assert from 'node:assert/strict';
import { test } from 'node:test';
import { qemuArguments } from '../vmm/qemu/command-line.ts';
import { guestMac } from './commands.ts';
import { withTap } from './tap.ts';

const network = { namespace: '/run/netns/tvm-abcd-1', tap: 'tap0', mac: guestMac };
const boot = { kernelPath: '/k', initrdPath: '/i', kernelArgs: [], needsAcpi: false };
const argumentsFor = (more: object) => {
  const spec = { cpus: 1, memoryMiB: 64, rootDiskPath: '/r', boot, ...more };
  const input = {
    id: 'x',
    spec,
    accelerator: 'tcg',
    memory: { kind: 'file' },
    boots: true,
    tscKhz: undefined,
  } as const;
  return qemuArguments(input).join(' ');
};

test('a VMM is begun in the namespace, with the interface open; without one it is as ever', () => {
  const command = { program: 'vmm', args: ['-a'] };
  assert.deepEqual(withTap(undefined, command), command);
  assert.equal(withTap({ ...network, tap: '' }, command).program, 'vmm');
  const { program, args } = withTap(network, command);
  assert.deepEqual([program, ...args.slice(0, 4)], ['nsenter', '--net=/run/netns/tvm-abcd-1', '--', 'perl', '-e']);
  assert.deepEqual(args.slice(-3), ['tap0', 'vmm', '-a']);
});

test('QEMU has an interface only when there is a network, and nothing behind it when it never runs', () => {
  assert.ok(!argumentsFor({}).includes('net'));
  assert.match(
    argumentsFor({ network }),
    /-netdev tap,id=net,fd=3 -device virtio-net-device,netdev=net,mac=02:74:76:6d:00:02/,
  );
  assert.match(
    argumentsFor({ network: { ...network, tap: '' } }),
    /-netdev hubport,id=net,hubid=0 -device virtio-net-device/,
  );
});
