// A real machine whose memory goes to disk while it is paused: it costs the host nothing, and goes on as if nothing had been.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { makeImageStore } from '@tvm/images/store.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { readConfig } from '../config.ts';
import { openFlintlock } from '../flintlock.ts';
import { vmmsBelow } from '../testing/daemon.ts';
import { type FlintlockClient, makeTestClient, untilState } from '../testing/flintlock-harness.ts';
import { chooseDriver } from '../vmm/choose.ts';

const log = makeLogger('flintlock', 'warn');
const spec = { image: 'tvm/python', cpus: 1, memoryMib: 192 };

async function open(home: string) {
  const settings = readConfig();
  const { cacheDir, kernel, limits, bootTimeoutMs } = settings;
  const stateFolder = join(home, 'flintlock');
  const rest = { limits, bootTimeoutMs, nodeName: 'suspension', stateFolder, templates: false };
  await using opened = new AsyncDisposableStack();
  const flintlock = opened.use(
    await openFlintlock({
      config: { ...rest, suspendAfterMs: 500, listen: `unix:${home}/run/flintlock.sock` },
      driver: await chooseDriver({ ...settings, stateFolder, log }),
      images: makeImageStore({ cacheDir, kernel, log }),
      log,
    }),
  );
  const { flintlock: client } = opened.use(makeTestClient(flintlock.address));
  const kept = opened.move();
  return {
    client,
    vmms: () => vmmsBelow(join(stateFolder, 'machines')),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function run(client: FlintlockClient, uid: string, code: string): Promise<string> {
  const requests = (async function* () {
    yield { body: { case: 'start' as const, value: { uid, process: { argv: ['bash', '-c', code] } } } };
  })();
  let stdout = '';
  for await (const { output } of client.exec(requests)) {
    if (output?.body.case === 'stdout') stdout += Buffer.from(output.body.value).toString();
    if (output?.body.case === 'exited') assert.equal(output.body.value.code, 0, stdout);
  }
  return stdout.trim();
}

type Service = Awaited<ReturnType<typeof open>>;

/** The record says so first, so that a VMM that is ended has lost nothing; the VMM ends right after. */
async function untilSuspended({ client, vmms }: Service, uid: string): Promise<void> {
  while (!(await client.getMachine({ uid })).suspended || vmms().length > 0) await sleep(50);
}

test('memory, processes and files go on after the memory was on disk, again and again, also for another flintlock', async () => {
  const home = await mkdtemp(join(tmpdir(), 'tvm-'));
  const one = { uid: 'one', generation: 1n };
  try {
    let service = await open(home);
    try {
      await service.client.createMachine({ ...one, spec });
      const { bootId } = await untilState(service.client, 'one', MachineState.RUNNING);
      const counter =
        'n=0; while :; do n=$((n+1)); echo $n >/tmp/count.new; mv /tmp/count.new /tmp/count; sleep 0.2; done';
      await run(service.client, 'one', `echo kept >/tmp/file; setsid bash -c '${counter}' >/dev/null 2>&1 & sleep 1`);
      let counted = 0;
      const draws = new Set<string>();
      for (let round = 0; round < 3; round += 1) {
        await service.client.pauseMachine(one);
        await untilSuspended(service, 'one');
        if (round === 1) {
          await service[Symbol.asyncDispose]();
          service = await open(home);
        }
        await service.client.resumeMachine(one);
        const [file, count, boot, time, random] = (
          await run(
            service.client,
            'one',
            'sleep 1; cat /tmp/file /tmp/count /proc/sys/kernel/random/boot_id; date +%s; cat /proc/sys/kernel/random/uuid',
          )
        ).split('\n');
        assert.deepEqual([file, boot], ['kept', bootId]);
        assert.ok(Number(count) > counted, `${count} after ${counted}`);
        counted = Number(count);
        assert.ok(Math.abs(Number(time) - Date.now() / 1000) < 5, `the clock says ${time}`);
        draws.add(random ?? '');
      }
      assert.equal(draws.size, 3);

      await service.client.pauseMachine(one);
      await untilSuspended(service, 'one');
      await service.client.snapshotMachine({ ...one, name: 'kept' });
      await service.client.createMachine({ uid: 'child', generation: 1n, spec: { ...spec, snapshot: 'kept' } });
      await untilState(service.client, 'child', MachineState.RUNNING);
      assert.equal(await run(service.client, 'child', 'cat /tmp/file'), 'kept');
    } finally {
      for (const uid of ['one', 'child']) await service.client.destroyMachine({ uid, generation: 1n });
      assert.deepEqual(service.vmms(), []);
      await service[Symbol.asyncDispose]();
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});
