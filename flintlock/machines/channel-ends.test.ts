// Drivers whose channels to the guest end at a snapshot, or at a resume.
import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { type FlintlockClient, openHarness, smallSpec, untilState } from '../testing/flintlock-harness.ts';
import type { Driver } from '../vmm/driver.ts';

const endedAfterMs = 50;

/** As Firecracker does: what was connected at a snapshot is reset a little later; also at a resume in 1.16. */
function endingChannels(driver: Driver): Driver {
  const open = new Set<Duplex>();
  const endSoon = () => {
    const before = [...open];
    setTimeout(() => {
      for (const channel of before) channel.destroy();
    }, endedAfterMs);
  };
  return {
    ...driver,
    snapshotsEndChannels: true,
    resumesEndChannels: true,
    async dial(vm, signal) {
      const channel = await driver.dial(vm, signal);
      open.add(channel);
      return channel;
    },
    async snapshot(vm, folder) {
      await driver.snapshot(vm, folder);
      endSoon();
    },
    async resume(vm) {
      await driver.resume(vm);
      endSoon();
    },
  };
}

const change = { uid: 'a', generation: 1n };

async function codeOf(client: FlintlockClient, argv: string[]): Promise<number | undefined> {
  const start = async function* () {
    yield { body: { case: 'start' as const, value: { uid: change.uid, process: { argv } } } };
  };
  for await (const { output } of client.exec(start()))
    if (output?.body.case === 'exited') return output.body.value.code;
  return undefined;
}

const whatEnds: [string, (client: FlintlockClient) => Promise<unknown>][] = [
  ['a snapshot', (client) => client.snapshotMachine({ ...change, name: 'one' })],
  ['a resume', (client) => client.pauseMachine(change).then(() => client.resumeMachine(change))],
];

for (const [name, end] of whatEnds) {
  test(`where ${name} ends the channel to the guest, who comes after it gets another one that stays`, async () => {
    await using harness = await openHarness({ wrap: endingChannels });
    const { client } = harness;
    await client.createMachine({ ...change, spec: smallSpec });
    await untilState(client, change.uid, MachineState.RUNNING);
    assert.equal(await codeOf(client, ['true']), 0);
    await end(client);
    assert.equal(await codeOf(client, ['sleep', String((2 * endedAfterMs) / 1000)]), 0);
    assert.equal((await client.getMachine({ uid: change.uid })).state, MachineState.RUNNING);
  });
}
