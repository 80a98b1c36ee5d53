// The plugin with a kubelet that is a fake: the behaviours that the real one is tested for too.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type TestedKubelet, testKubeletBehaviours } from './testing/kubelet-behaviours.ts';
import { KubeletFake } from './testing/kubelet-fake.ts';
import { startHere, startProcess } from './testing/tested-plugin.ts';
import { until } from './testing/until.ts';

describe('the plugin with a fake kubelet', () => {
  const home = mkdtempSync(join(tmpdir(), 'tvm-kubelet-'));
  const device = join(home, 'kvm');
  const fake = new KubeletFake(home);
  const makeDevice = async () => symlinkSync('/dev/null', device);
  const kubelet: TestedKubelet = {
    folder: home,
    device,
    makeDevice,
    makeBrokenDevice: async () => writeFileSync(device, ''),
    removeDevice: async () => rmSync(device),
    status: async () => fake.status,
    runPod: async (name) => (await fake.runPod(name)).devices.map(({ containerPath }) => containerPath),
    endPod: async (name) => fake.endPod(name),
    kill: () => fake.stop({ leaveSockets: true }),
    start: () => fake.start(),
  };

  before(async () => {
    await makeDevice();
    await fake.start();
  });
  after(async () => {
    await fake.stop();
    rmSync(home, { recursive: true });
  });
  testKubeletBehaviours(() => kubelet, startHere);

  test('as a process it says when it serves, withdraws when it is told to end, and is found again after a kill', async () => {
    const env = { TVM_KUBELET_DIR: home, TVM_KVM_DEVICE: device, TVM_KVM_PERMITS: '2' };
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      await using plugin = await startProcess(env);
      await until('two permits', () => fake.status.allocatable === 2);
      await plugin.end(signal);
      await until('no permit', () => fake.status.allocatable === 0);
    }
    assert.deepEqual(readdirSync(join(home, 'device-plugins')), ['kubelet.sock']);
  });

  test('a setting that means nothing ends it with the words', async () => {
    await assert.rejects(startProcess({ TVM_KVM_PERMITS: 'none' }), /TVM_KVM_PERMITS/);
  });
});
