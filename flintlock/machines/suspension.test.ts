import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { type FlintlockHarness, openHarness, smallSpec, untilState } from '../testing/flintlock-harness.ts';
import { machineIdOf } from './record.ts';

const fast = { suspendAfterMs: 20 };
const change = { uid: 'a', generation: 1n };
const fileOf = ({ home }: FlintlockHarness, name: string) =>
  join(home, 'flintlock/machines', machineIdOf('a'), 'suspended', name);

async function untilSuspended({ client }: FlintlockHarness): Promise<void> {
  while (!(await client.getMachine({ uid: 'a' })).suspended) await new Promise((resolve) => setTimeout(resolve, 10));
}

async function suspendedMachine(options = fast): Promise<FlintlockHarness> {
  const harness = await openHarness(options);
  await harness.client.createMachine({ ...change, spec: smallSpec });
  await untilState(harness.client, 'a', MachineState.RUNNING);
  await harness.client.pauseMachine(change);
  await untilSuspended(harness);
  return harness;
}

test('a machine that is paused for long has no VMM, and goes on with its memory when it is resumed', async () => {
  await using harness = await openHarness(fast);
  const { client, host } = harness;
  await client.createMachine({ ...change, spec: smallSpec });
  const { bootId } = await untilState(client, 'a', MachineState.RUNNING);
  const start = { uid: 'a', file: { path: '/kept', mode: 0o600 } };
  const upload = async function* () {
    yield { body: { case: 'start' as const, value: start } };
    yield { body: { case: 'chunk' as const, value: new TextEncoder().encode('here') } };
  };
  await client.writeFile(upload());
  for (let round = 0; round < 3; round += 1) {
    await client.pauseMachine(change);
    await untilSuspended(harness);
    assert.equal(host.vms.size, 0);
    assert.equal((await client.getMachine({ uid: 'a' })).state, MachineState.PAUSED);
    const resumed = await client.resumeMachine(change);
    assert.deepEqual([resumed.state, resumed.suspended, resumed.bootId], [MachineState.RUNNING, false, bootId]);
    assert.equal(existsSync(fileOf(harness, 'vm.json')), false);
    const operation = { case: 'stat' as const, value: { path: '/kept' } };
    assert.equal((await client.fileOperation({ uid: 'a', operation })).files[0]?.size, 4n);
  }
});

test('after a restart of flintlock it is resumed, snapshotted, stopped, started and destroyed like any other', async () => {
  await using harness = await suspendedMachine();
  await harness.restart();
  await harness.client.snapshotMachine({ ...change, name: 'kept' });
  await harness.client.resumeMachine(change);
  await harness.client.pauseMachine(change);
  await untilSuspended(harness);
  assert.equal((await harness.client.stopMachine(change)).state, MachineState.STOPPED);
  assert.equal(existsSync(fileOf(harness, 'vm.json')), false);
  await harness.client.startMachine(change);
  await untilState(harness.client, 'a', MachineState.RUNNING);
  await harness.client.pauseMachine(change);
  await untilSuspended(harness);
  await harness.client.createMachine({ uid: 'b', generation: 1n, spec: { ...smallSpec, snapshot: 'kept' } });
  await untilState(harness.client, 'b', MachineState.RUNNING);
  await harness.client.destroyMachine(change);
  assert.equal(existsSync(fileOf(harness, '..')), false);
});

test('one whose memory on disk is damaged fails with the reason', async () => {
  await using harness = await suspendedMachine();
  await rm(fileOf(harness, 'vm.json'));
  await assert.rejects(harness.client.resumeMachine(change), /failed.*ResumeFailed|ResumeFailed/);
  const { state, reason, suspended } = await harness.client.getMachine({ uid: 'a' });
  assert.deepEqual([state, reason, suspended], [MachineState.FAILED, 'ResumeFailed', false]);
});

test('what waits for its first use stays in memory', async () => {
  await using harness = await openHarness(fast);
  await harness.client.createMachine({ ...change, spec: { ...smallSpec, standby: true } });
  await untilState(harness.client, 'a', MachineState.PAUSED);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal((await harness.client.getMachine({ uid: 'a' })).suspended, false);
});
