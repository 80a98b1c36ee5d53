// A host whose control groups flintlock may not write: what cannot be limited is not started without its limit.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { startDaemon } from '../testing/daemon.ts';
import { untilState } from '../testing/flintlock-harness.ts';

const image = 'tvm/python';
const spec = { image, cpus: 1, memoryMib: 192 };

/** In a mount namespace of its own, where they are read-only. */
const readOnlyGroups = `
  for point in $(grep -o ' /sys/fs/cgroup[^ ]* cgroup2\\? ' /proc/mounts | cut -d ' ' -f 2); do
    mount -o remount,bind,ro "$point"
  done
  exec "$@"`;
const launcher = ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', readOnlyGroups, 'sh'];

test('where control groups cannot be written, a machine with cpuPercent fails and has no VMM; another runs', async () => {
  await using daemon = await startDaemon(image, { TVM_TEMPLATES: 'off' }, launcher);
  const { flintlock } = daemon;
  await flintlock.createMachine({ uid: 'limited', generation: 1n, spec: { ...spec, limits: { cpuPercent: 50 } } });
  const { reason, message } = await untilState(flintlock, 'limited', MachineState.FAILED);
  assert.equal(reason, 'LimitsUnavailable');
  assert.match(
    message,
    /the processor time of .* cannot be limited: EROFS: read-only file system.*ask for no cpuPercent/s,
  );
  assert.deepEqual(daemon.vmms(), []);
  assert.match((await flintlock.getNode({})).limitsUnavailable, /EROFS/);
  await flintlock.createMachine({ uid: 'free', generation: 1n, spec });
  await untilState(flintlock, 'free', MachineState.RUNNING);
  assert.equal(daemon.vmms().length, 1);
});
