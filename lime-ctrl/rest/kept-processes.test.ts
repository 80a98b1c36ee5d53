import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { ExecResponseSchema, MachineSchema } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { makeLogger } from '@tvm/kit/log.ts';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import type { ExecRequestInit } from '../engine/process-stream.ts';
import type { FlintlockClient } from '../flintlock/client.ts';
import { makeKeptProcesses } from './kept-processes.ts';

function setUp() {
  const state = { openCalls: 0, alone: true, killed: 0 };
  const client = {
    getMachine: async () => create(MachineSchema, { openCalls: state.openCalls }),
    async *exec(requests: AsyncIterable<ExecRequestInit>) {
      for await (const { body } of requests) {
        if (body?.case !== 'input' || body.value.body?.case !== 'signal') continue;
        state.killed += 1;
        yield create(ExecResponseSchema, { output: { body: { case: 'exited', value: { code: 137 } } } });
        return;
      }
    },
  } as unknown as FlintlockClient;
  const clock = makeManualClock();
  const kept = makeKeptProcesses({ clock, log: makeLogger('test', 'silent'), isAlone: () => state.alone });
  return { state, clock, kept, process: { client, uid: 'm', execId: 'e' } };
}

test('a lost process is killed after a minute, unless its client returns', async () => {
  const { state, clock, kept, process } = setUp();
  kept.lost(process);
  await clock.advance(59_999);
  kept.attached(process);
  await clock.advance(60_000);
  assert.equal(state.killed, 0);
  kept.lost(process);
  state.openCalls = 1;
  await clock.advance(60_000);
  assert.equal(state.killed, 1, 'what is open here is known here');
});

test('with other replicas, one that may have been attached to elsewhere is left alone', async () => {
  const { state, clock, kept, process } = setUp();
  state.alone = false;
  state.openCalls = 1;
  kept.lost(process);
  await clock.advance(300_000);
  assert.equal(state.killed, 0);
  state.openCalls = 0;
  await clock.advance(60_000);
  assert.equal(state.killed, 1);
});
