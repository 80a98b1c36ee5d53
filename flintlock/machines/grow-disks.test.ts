import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { openHarness, smallSpec, untilState } from '../testing/flintlock-harness.ts';

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
