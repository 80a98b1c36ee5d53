import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { MachineEventKind, MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { fromConnectError } from '@tvm/api/rpc-errors.ts';
import { openHarness, smallSpec, untilState } from '../testing/flintlock-harness.ts';

const code = (expected: string) => (thrown: unknown) => {
  assert.equal(fromConnectError(thrown).code, expected, String(thrown));
  return true;
};

test('a machine is created, runs, is paused, resumed, stopped, started, destroyed', async () => {
  await using harness = await openHarness();
  const { client } = harness;
  const created = await client.createMachine({ uid: 'a', generation: 1n, spec: smallSpec, labels: { x: 'y' } });
  assert.equal(created.state, MachineState.CREATING);
  const running = await untilState(client, 'a', MachineState.RUNNING);
  assert.match(running.bootId, /^[0-9a-f-]{36}$/);
  assert.ok(running.imageDigest.startsWith('sha256:'));
  assert.equal((await client.pauseMachine({ uid: 'a', generation: 1n })).state, MachineState.PAUSED);
  assert.equal((await client.pauseMachine({ uid: 'a', generation: 1n })).state, MachineState.PAUSED);
  assert.equal((await client.resumeMachine({ uid: 'a', generation: 1n })).state, MachineState.RUNNING);
  const stopped = await client.stopMachine({ uid: 'a', generation: 1n, graceMs: 100 });
  assert.deepEqual([stopped.state, stopped.reason], [MachineState.STOPPED, 'Requested']);
  assert.equal((await client.startMachine({ uid: 'a', generation: 2n })).state, MachineState.CREATING);
  await untilState(client, 'a', MachineState.RUNNING);
  assert.equal((await client.listMachines({ labels: { x: 'y' } })).machines.length, 1);
  assert.equal((await client.listMachines({ labels: { x: 'z' } })).machines.length, 0);
  await client.destroyMachine({ uid: 'a', generation: 2n });
  await client.destroyMachine({ uid: 'a', generation: 2n });
  assert.deepEqual(readdirSync(join(harness.home, 'flintlock/machines')), []);
  assert.equal(harness.host.vms.size, 0);
});

test('the same creation again is the same machine; another spec or an older generation is refused', async () => {
  await using harness = await openHarness();
  const { client } = harness;
  await client.createMachine({ uid: 'a', generation: 5n, spec: smallSpec });
  await client.createMachine({ uid: 'a', generation: 5n, spec: smallSpec });
  const other = { ...smallSpec, cpus: 2 };
  await assert.rejects(client.createMachine({ uid: 'a', generation: 5n, spec: other }), code('already_exists'));
  await assert.rejects(
    client.createMachine({ uid: 'a', generation: 4n, spec: smallSpec }),
    code('failed_precondition'),
  );
  await assert.rejects(client.stopMachine({ uid: 'a', generation: 4n }), code('failed_precondition'));
  await assert.rejects(client.destroyMachine({ uid: 'a', generation: 4n }), code('failed_precondition'));
  await client.destroyMachine({ uid: 'a', generation: 5n });
});

const refused: [string, object, string][] = [
  ['no memory', { memoryMib: 0 }, 'invalid_argument'],
  ['more memory than there is', { memoryMib: 5000 }, 'invalid_argument'],
  ['no cpus', { cpus: 0 }, 'invalid_argument'],
  ['more cpus than there are', { cpus: 5 }, 'invalid_argument'],
  ['no image', { image: '' }, 'invalid_argument'],
  ['a hostname that is none', { hostname: 'a b' }, 'invalid_argument'],
  ['an unknown snapshot', { snapshot: 'nope' }, 'not_found'],
  ['a snapshot name that is a path', { snapshot: '../../etc' }, 'invalid_argument'],
];
for (const [what, fields, expected] of refused) {
  test(`${what} is refused with ${expected}`, async () => {
    await using harness = await openHarness();
    const spec = { ...smallSpec, ...fields };
    await assert.rejects(harness.client.createMachine({ uid: 'a', generation: 1n, spec }), code(expected));
    assert.deepEqual(readdirSync(join(harness.home, 'flintlock/machines')), []);
  });
}

test('uids that could be paths are refused', async () => {
  await using harness = await openHarness();
  for (const uid of ['', '../x', 'a/b', 'x'.repeat(200)]) {
    await assert.rejects(harness.client.createMachine({ uid, spec: smallSpec }), code('invalid_argument'));
  }
});

test('memory that is promised is not promised twice, and comes back', async () => {
  await using harness = await openHarness({ memoryMiB: 100 });
  const { client } = harness;
  await client.createMachine({ uid: 'a', spec: smallSpec });
  await assert.rejects(client.createMachine({ uid: 'b', spec: smallSpec }), (thrown) => {
    const error = fromConnectError(thrown);
    assert.equal(error.code, 'resource_exhausted');
    assert.ok(error.retryAfterSeconds);
    return true;
  });
  assert.equal((await client.getNode({})).memoryFreeMib, 36n);
  await client.destroyMachine({ uid: 'a' });
  await client.createMachine({ uid: 'b', spec: smallSpec });
});

const failures: [image: string, reason: string, errorCode: string][] = [
  ['registry/missing:1', 'ImagePullFailed', 'not_found'],
  ['fake/boot-fails', 'VmmExited', 'unavailable'],
  ['fake/hangs', 'BootTimeout', 'deadline_exceeded'],
];
for (const [image, reason, errorCode] of failures) {
  test(`a machine from ${image} fails with ${reason}`, async () => {
    await using harness = await openHarness({ bootTimeoutMs: 300 });
    const { client } = harness;
    await client.createMachine({ uid: 'a', spec: { ...smallSpec, image } });
    const failed = await untilState(client, 'a', MachineState.FAILED);
    assert.deepEqual([failed.reason, failed.errorCode], [reason, errorCode], failed.message);
    assert.equal((await client.getNode({})).memoryFreeMib, 1024n);
    await client.destroyMachine({ uid: 'a' });
    assert.equal(harness.host.vms.size, 0);
  });
}

test('a VMM that dies fails its machine with the reason, which can be started again', async () => {
  await using harness = await openHarness();
  const { client, host } = harness;
  await client.createMachine({ uid: 'a', spec: smallSpec });
  await untilState(client, 'a', MachineState.RUNNING);
  for (const vm of host.vms.values()) vm.finish({ exitCode: null, signal: 'SIGKILL', stderr: 'fake: died' });
  const failed = await untilState(client, 'a', MachineState.FAILED);
  assert.equal(failed.reason, 'VmmExited');
  assert.match(failed.message, /SIGKILL.*fake: died/);
  await client.startMachine({ uid: 'a' });
  await untilState(client, 'a', MachineState.RUNNING);
});

test('a machine that is being made can be destroyed and stopped at once', async () => {
  await using harness = await openHarness({ bootTimeoutMs: 60_000 });
  const { client } = harness;
  for (const uid of ['a', 'b']) await client.createMachine({ uid, spec: { ...smallSpec, image: 'fake/hangs' } });
  await client.destroyMachine({ uid: 'a' });
  assert.equal((await client.stopMachine({ uid: 'b' })).state, MachineState.STOPPED);
  assert.equal((await client.listMachines({})).machines.length, 1);
  assert.equal(harness.host.vms.size, 0);
});

test('the end of the command stops the machine; its output is in the log', async () => {
  await using harness = await openHarness();
  const { client } = harness;
  const command = ['bash', '-c', 'echo from the command\nwarn oops\nexit 3'];
  await client.createMachine({ uid: 'a', spec: { ...smallSpec, command } });
  const stopped = await untilState(client, 'a', MachineState.STOPPED);
  assert.deepEqual([stopped.reason, stopped.exitCode], ['CommandExited', 3]);
  const parts: Uint8Array[] = [];
  for await (const { data } of client.readLogs({ uid: 'a', follow: true })) parts.push(data);
  assert.match(Buffer.concat(parts).toString(), /from the command\noops\n/);
});

test('a reader of the log asks for its end, for one source, for the time of each line', async () => {
  await using harness = await openHarness();
  const { client } = harness;
  const command = ['bash', '-c', 'echo one\necho two\nwarn oops'];
  await client.createMachine({ uid: 'a', spec: { ...smallSpec, command } });
  await untilState(client, 'a', MachineState.STOPPED);
  const read = async (query: Parameters<typeof client.readLogs>[0]) => {
    const parts: Uint8Array[] = [];
    for await (const { data } of client.readLogs({ uid: 'a', ...query })) parts.push(data);
    return Buffer.concat(parts).toString();
  };
  assert.equal(await read({ source: 'stdout' }), 'one\ntwo\n');
  assert.equal(await read({ source: 'stderr' }), 'oops\n');
  assert.equal(await read({ source: 'stdout', tailLines: 1, follow: true }), 'two\n');
  assert.match(await read({ source: 'stderr', timestamps: true }), /^\d{4}-\d\d-\d\dT[\d:.]+Z oops\n$/);
  assert.equal(await read({ sinceMs: BigInt(Date.now() + 60_000) }), '');
  await assert.rejects(read({ source: 'kernel' }), /invalid_argument.*console, stdout, stderr/);
});

test('a restart of flintlock finds running and paused machines and forgets half-made ones', async () => {
  await using harness = await openHarness({ bootTimeoutMs: 60_000 });
  for (const uid of ['running', 'paused', 'stopped']) await harness.client.createMachine({ uid, spec: smallSpec });
  const before = await untilState(harness.client, 'running', MachineState.RUNNING);
  for (const uid of ['paused', 'stopped']) await untilState(harness.client, uid, MachineState.RUNNING);
  await harness.client.pauseMachine({ uid: 'paused' });
  await harness.client.stopMachine({ uid: 'stopped' });
  await harness.client.createMachine({ uid: 'half-made', spec: { ...smallSpec, image: 'fake/hangs' } });
  await harness.restart();
  const { client } = harness;
  assert.equal((await client.getMachine({ uid: 'running' })).bootId, before.bootId);
  assert.equal((await client.getMachine({ uid: 'paused' })).state, MachineState.PAUSED);
  assert.equal((await client.getMachine({ uid: 'stopped' })).state, MachineState.STOPPED);
  await client.destroyMachine({ uid: 'half-made' });
  assert.equal(harness.host.vms.size, 2);
  assert.equal((await client.resumeMachine({ uid: 'paused' })).state, MachineState.RUNNING);
  await client.listProcesses({ uid: 'running' });
});

test('a VM that ended while flintlock was away is a failed machine afterwards', async () => {
  await using harness = await openHarness();
  await harness.client.createMachine({ uid: 'a', spec: smallSpec });
  await untilState(harness.client, 'a', MachineState.RUNNING);
  for (const vm of harness.host.vms.values()) vm.finish({ exitCode: null, signal: 'SIGSEGV', stderr: '' });
  await harness.restart();
  assert.equal((await untilState(harness.client, 'a', MachineState.FAILED)).reason, 'VmmExited');
});

test('environment variables reach the guest and no file', async () => {
  await using harness = await openHarness();
  const { client } = harness;
  const spec = { ...smallSpec, command: ['printenv', 'TOKEN'] };
  await client.createMachine({ uid: 'a', spec, env: { TOKEN: 'sesame-7' } });
  await untilState(client, 'a', MachineState.STOPPED);
  const folder = join(harness.home, 'flintlock/machines');
  const [id = ''] = readdirSync(folder);
  assert.doesNotMatch(readFileSync(join(folder, id, 'machine.json'), 'utf8'), /sesame/);
  assert.match(readFileSync(join(folder, id, 'output.log'), 'utf8'), /sesame-7/);
});

test('watchers see all machines, then SYNCED, then changes and removal', async () => {
  await using harness = await openHarness();
  const { client } = harness;
  await client.createMachine({ uid: 'a', spec: smallSpec });
  await untilState(client, 'a', MachineState.RUNNING);
  const stop = new AbortController();
  const kinds: string[] = [];
  const watching = (async () => {
    for await (const { kind, machine } of client.watchMachines({}, { signal: stop.signal })) {
      kinds.push(`${MachineEventKind[kind]} ${machine?.uid ?? ''}`);
      if (kind === MachineEventKind.SYNCED) await client.createMachine({ uid: 'b', spec: smallSpec });
      if (kind === MachineEventKind.CHANGED && machine?.uid === 'b' && machine.state === MachineState.RUNNING) {
        await client.destroyMachine({ uid: 'b' });
      }
      if (kind === MachineEventKind.REMOVED) stop.abort();
    }
  })();
  await assert.rejects(watching, code('canceled'));
  assert.deepEqual(kinds.slice(0, 2), ['CHANGED a', 'SYNCED ']);
  assert.equal(kinds.at(-1), 'REMOVED b');
});

test('a snapshot starts another machine, with an identity of its own', async () => {
  await using harness = await openHarness();
  const { client } = harness;
  await client.createMachine({ uid: 'a', spec: { ...smallSpec, hostname: 'first' } });
  await untilState(client, 'a', MachineState.RUNNING);
  const snapshot = await client.snapshotMachine({ uid: 'a', name: 'warm' });
  assert.deepEqual(await client.snapshotMachine({ uid: 'a', name: 'warm' }), snapshot);
  assert.equal((await client.listSnapshots({})).snapshots.length, 1);
  assert.deepEqual(await client.getSnapshot({ name: 'warm' }), snapshot);
  await assert.rejects(client.getSnapshot({ name: 'cold' }), /there is no snapshot cold on this node/);
  await assert.rejects(client.getSnapshot({ name: '../warm' }), /invalid_argument/);
  await client.createMachine({ uid: 'b', spec: { snapshot: 'warm', hostname: 'second', command: ['hostname'] } });
  const stopped = await untilState(client, 'b', MachineState.STOPPED);
  assert.equal(stopped.spec?.image, smallSpec.image);
  await harness.restart();
  const parts: Uint8Array[] = [];
  for await (const { data } of harness.client.readLogs({ uid: 'b' })) parts.push(data);
  assert.match(Buffer.concat(parts).toString(), /second/);
  await harness.client.deleteSnapshot({ name: 'warm' });
  await harness.client.deleteSnapshot({ name: 'warm' });
  assert.equal(existsSync(join(harness.home, 'flintlock/snapshots/warm')), false);
});

test('a second flintlock on the same socket is refused', async () => {
  await using harness = await openHarness();
  await assert.rejects(
    (async () => {
      const { claimAddress } = await import('./address.ts');
      await claimAddress({ path: join(harness.home, 'run/flintlock.sock') });
    })(),
    { code: 'failed_precondition' },
  );
});
