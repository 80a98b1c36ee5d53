import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { openHarness, smallSpec, untilState } from '../testing/flintlock-harness.ts';
import { growRunningDisks } from './grow-disks.ts';

const disk = { name: 'work', sizeMib: 16, mountPath: '/site' };
const larger = { uid: 'a', disks: [{ ...disk, sizeMib: 32 }] };

test('what cannot grow now says when it does, and stays declared as it is: no VMM for it, no machine that runs', async () => {
  await using harness = await openHarness();
  const { client } = harness;
  await client.createMachine({ uid: 'a', spec: { ...smallSpec, disks: [disk] } });
  await untilState(client, 'a', MachineState.RUNNING);
  await assert.rejects(client.growDisks(larger), { rawMessage: /do not grow while it runs under fake/ });
  assert.equal((await client.growDisks({ uid: 'a', disks: [disk] })).spec?.disks[0]?.sizeMib, 16);
  await client.stopMachine({ uid: 'a', graceMs: 100 });
  await assert.rejects(client.growDisks(larger), { rawMessage: /cannot grow the disks of machine a: it is stopped/ });
  assert.equal((await client.getMachine({ uid: 'a' })).spec?.disks[0]?.sizeMib, 16);
  await client.startMachine(larger);
  assert.equal((await untilState(client, 'a', MachineState.RUNNING)).spec?.disks[0]?.sizeMib, 32);
});

test('a VMM may have no larger files before there is room for them', async () => {
  const allowed: string[] = [];
  const driver = { growDisk: () => {}, prepareGrowth: () => allowed.push('larger files') };
  const disks = { attachments: () => [{ name: 'work', path: '/work', sizeMiB: 4096 }] };
  const admit = () => {
    throw new TvmError('resource_exhausted', 'no room');
  };
  const spec = { disks: [{ name: 'work', sizeMiB: 16, mountPath: '/site', retainedAs: '' }] };
  const machine = { record: { uid: 'a', state: 'running', spec }, vm: { id: 'a', folder: '/a' } };
  const growing = growRunningDisks({ driver, disks, admit } as never, machine as never, [
    { name: 'work', sizeMiB: 4096 },
  ]);
  await assert.rejects(growing, { code: 'resource_exhausted' });
  assert.deepEqual(allowed, []);
});
