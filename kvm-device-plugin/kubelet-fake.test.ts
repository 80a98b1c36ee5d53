// The plugin with a kubelet that is a fake: the behaviours that the real one is tested for too.
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { type TestedKubelet, testKubeletBehaviours } from './testing/kubelet-behaviours.ts';
import { KubeletFake } from './testing/kubelet-fake.ts';

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
  testKubeletBehaviours(() => kubelet);
});
