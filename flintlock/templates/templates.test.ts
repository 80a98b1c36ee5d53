import assert from 'node:assert/strict';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MachineState, TemplateState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import fc from 'fast-check';
import { type FlintlockHarness, openHarness, smallSpec, untilState } from '../testing/flintlock-harness.ts';
import { templateKey } from './template-kind.ts';

async function untilTemplates(harness: FlintlockHarness, count: number): Promise<void> {
  const isReady = ({ state }: { state: TemplateState }) => state === TemplateState.READY;
  while ((await harness.client.getNode({})).templates.filter(isReady).length !== count) await sleep(10);
}

async function machineOf(harness: FlintlockHarness, uid: string, spec: object = {}) {
  await harness.client.createMachine({ uid, spec: { ...smallSpec, ...spec } });
  return await untilState(harness.client, uid, MachineState.RUNNING);
}

const templatesFolder = ({ home }: FlintlockHarness) => join(home, 'flintlock/templates');

test('the first of a kind boots, the next is restored with an identity of its own', async () => {
  await using harness = await openHarness({ templates: true });
  const first = await machineOf(harness, 'first');
  assert.equal(first.restored, false);
  await untilTemplates(harness, 1);
  while ((await harness.client.listMachines({})).machines.length > 1) await sleep(10);
  const [second, third] = [await machineOf(harness, 'second'), await machineOf(harness, 'third')];
  assert.ok(second.restored && third.restored);
  assert.equal(new Set([first, second, third].map(({ bootId }) => bootId)).size, 3);
  const other = await machineOf(harness, 'other', { memoryMib: 128 });
  assert.equal(other.restored, false);
});

test('a damaged template is not used, but made anew', async () => {
  await using harness = await openHarness({ templates: true });
  await machineOf(harness, 'first');
  await untilTemplates(harness, 1);
  const [key = ''] = readdirSync(templatesFolder(harness));
  writeFileSync(join(templatesFolder(harness), key, 'fake-memory'), 'something else');
  assert.equal((await machineOf(harness, 'second')).restored, false);
  await untilTemplates(harness, 1);
  assert.equal((await machineOf(harness, 'third')).restored, true);
  rmSync(join(templatesFolder(harness), key, 'manifest.json'));
  await harness.restart();
  assert.equal((await machineOf(harness, 'fourth')).restored, false);
});

test('a template that cannot be restored costs its first user time only', async () => {
  await using harness = await openHarness({ templates: true });
  await machineOf(harness, 'first');
  await untilTemplates(harness, 1);
  harness.host.snapshots.clear();
  const second = await machineOf(harness, 'second');
  assert.equal(second.restored, false);
  await untilTemplates(harness, 1);
  assert.equal((await machineOf(harness, 'third')).restored, true);
});

test('a machine that waits is paused, and its first use resumes it; it is marked as used, also for the next flintlock', async () => {
  await using harness = await openHarness({ templates: true });
  const spec = { ...smallSpec, interpreter: 'python', standby: true };
  await harness.client.createMachine({ uid: 'waits', spec });
  const waiting = await untilState(harness.client, 'waits', MachineState.PAUSED);
  assert.equal(waiting.used, false);
  await harness.restart();
  assert.equal((await harness.client.getMachine({ uid: 'waits' })).state, MachineState.PAUSED);
  const process = { argv: ['echo', 'hello'], interpreter: 'python' };
  const requests = (async function* () {
    yield { body: { case: 'start' as const, value: { uid: 'waits', process } } };
  })();
  let stdout = '';
  for await (const { output } of harness.client.exec(requests)) {
    if (output?.body.case === 'stdout') stdout += Buffer.from(output.body.value).toString();
  }
  assert.equal(stdout, 'hello\n');
  const used = await harness.client.getMachine({ uid: 'waits' });
  assert.deepEqual([used.used, used.state, used.openCalls], [true, MachineState.RUNNING, 0]);
  await harness.restart();
  assert.equal((await harness.client.getMachine({ uid: 'waits' })).used, true);
});

test('a template that is half-made when flintlock ends leaves neither machine nor folder', async () => {
  await using harness = await openHarness({ templates: true });
  await machineOf(harness, 'first');
  await harness.restart();
  const { machines } = await harness.client.listMachines({});
  assert.deepEqual(
    machines.map(({ uid }) => uid),
    ['first'],
  );
  assert.deepEqual(
    readdirSync(templatesFolder(harness)).filter((name) => name.startsWith('.')),
    [],
  );
});

test('whatever changes what a machine would be changes the key', () => {
  const kind = fc.record({ image: fc.string(), cpus: fc.nat(), memoryMiB: fc.nat(), interpreter: fc.string() });
  const rest = fc.record({ imageDigest: fc.string(), bootDigest: fc.string(), vmm: fc.string() });
  fc.assert(
    fc.property(kind, rest, kind, rest, (kindA, restA, kindB, restB) => {
      const facts = ({ image: _, ...others }: typeof kindA, more: typeof restA) =>
        JSON.stringify({ ...others, ...more });
      const same = facts(kindA, restA) === facts(kindB, restB);
      assert.equal(templateKey(kindA, restA) === templateKey(kindB, restB), same);
    }),
  );
});
