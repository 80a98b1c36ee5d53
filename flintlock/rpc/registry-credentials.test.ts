// Credentials for registries on their way through flintlock: to the image store, and nowhere else.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { openHarness, untilState } from '../testing/flintlock-harness.ts';

const spec = { image: 'fake/private', cpus: 1, memoryMib: 64 };
const registryCredentials = ['{"auths":{"fake":{"auth":"sesame-7"}}}'];

function filesBelow(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

test('open the image at the creation and at each start, each with its own, and reach no file', async () => {
  await using harness = await openHarness();
  const { client } = harness;
  await client.createMachine({ uid: 'without', spec });
  const refused = await untilState(client, 'without', MachineState.FAILED);
  assert.deepEqual([refused.reason, refused.errorCode], ['ImageAccessDenied', 'permission_denied']);
  await client.createMachine({ uid: 'with', spec, registryCredentials });
  await untilState(client, 'with', MachineState.RUNNING);
  await client.stopMachine({ uid: 'with' });
  await client.startMachine({ uid: 'with' });
  assert.equal((await untilState(client, 'with', MachineState.FAILED)).reason, 'ImageAccessDenied');
  await client.startMachine({ uid: 'with', registryCredentials });
  await untilState(client, 'with', MachineState.RUNNING);
  for (const path of filesBelow(harness.home)) assert.ok(!readFileSync(path).includes('sesame-7'), path);
});

test('are not asked for by what continues a machine that had them', async () => {
  await using harness = await openHarness();
  const { client } = harness;
  await client.createMachine({ uid: 'with', spec, registryCredentials });
  await untilState(client, 'with', MachineState.RUNNING);
  await client.snapshotMachine({ uid: 'with', name: 'warm' });
  await client.createMachine({ uid: 'child', spec: { snapshot: 'warm' } });
  await untilState(client, 'child', MachineState.RUNNING);
});
