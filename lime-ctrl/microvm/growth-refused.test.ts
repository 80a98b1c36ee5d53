// A node that does not make a disk larger, whatever else happens to the machine.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { TvmError } from '@tvm/api/errors.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import { microVms } from '@tvm/kit/kube/client.ts';
import { conditionOf } from '@tvm/kit/kube/conditions.ts';
import { makeFakeFlintlock } from '../testing/fake-flintlock.ts';
import { microVm, startHarness } from '../testing/harness.ts';
import { disksGrown } from './disks.ts';

const disk = (sizeMB: number) => [{ name: 'data', sizeMB, mountPath: '/data', retain: false }];

test('a machine that is resumed is told to run, although its node refuses to make its disk larger', async () => {
  const flintlock = makeFakeFlintlock();
  flintlock.client.growDisks = async () => {
    throw new TvmError('failed_precondition', 'only at the next start', { reason: 'GrowsAtStart' });
  };
  await using harness = await startHarness({ flintlock });
  const { kube } = harness;
  const phase = async (wanted: string) => {
    for (;;) {
      const { status = {} } = await kube.get(microVms, 'default', 'demo');
      if (status.phase === wanted) return status;
      await sleep(10);
    }
  };
  const change = async (spec: Partial<MicroVm['spec']>) => await kube.patch(microVms, 'default', 'demo', { spec });
  await kube.create(microVms, microVm('demo', { persistentStorage: disk(64) }));
  await phase('Running');
  await change({ desiredState: 'Paused' });
  await phase('Paused');
  await change({ desiredState: 'Running', persistentStorage: disk(128) });
  const { conditions } = await phase('Running');
  assert.equal(conditionOf(conditions, 'Ready')?.status, 'True');
  assert.equal(conditionOf(conditions, disksGrown)?.reason, 'GrowsAtStart');
});
