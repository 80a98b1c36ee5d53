import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { openHarness, smallSpec, untilState } from '../testing/flintlock-harness.ts';
import type { Driver } from '../vmm/driver.ts';

const endedAfterMs = 50;

/** As Firecracker does: what was connected at a snapshot is reset a little later. */
function endingChannels(driver: Driver): Driver {
  const open = new Set<Duplex>();
  return {
    ...driver,
    snapshotsEndChannels: true,
    async dial(vm, signal) {
      const channel = await driver.dial(vm, signal);
      open.add(channel);
      return channel;
    },
    async snapshot(vm, folder) {
      await driver.snapshot(vm, folder);
      const before = [...open];
      setTimeout(() => {
        for (const channel of before) channel.destroy();
      }, endedAfterMs);
    },
  };
}

test('where a snapshot ends the channel to the guest, who comes after it gets another one that stays', async () => {
  await using harness = await openHarness({ wrap: endingChannels });
  const { client } = harness;
  await client.createMachine({ uid: 'a', generation: 1n, spec: smallSpec });
  await untilState(client, 'a', MachineState.RUNNING);
  const runs = async (argv: string[]) => {
    const start = async function* () {
      yield { body: { case: 'start' as const, value: { uid: 'a', process: { argv } } } };
    };
    for await (const { output } of client.exec(start()))
      if (output?.body.case === 'exited') return output.body.value.code;
    return undefined;
  };
  assert.equal(await runs(['true']), 0);
  await client.snapshotMachine({ uid: 'a', generation: 1n, name: 'one' });
  assert.equal(await runs(['sleep', String((2 * endedAfterMs) / 1000)]), 0);
  assert.equal((await client.getMachine({ uid: 'a' })).state, MachineState.RUNNING);
});
