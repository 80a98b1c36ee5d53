// How the plugin and a kubelet work together. The same tests run against the fake and against the real kubelet.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { StartPlugin, TestedPlugin } from './tested-plugin.ts';
import { until } from './until.ts';

export interface TestedKubelet {
  /** Its folder: --root-dir. */
  folder: string;
  /** A device that the tests make and take away, as the host sees it. */
  device: string;
  makeDevice(): Promise<unknown>;
  removeDevice(): Promise<void>;
  /** Puts something in its place that is there, and cannot be used. */
  makeBrokenDevice(): Promise<unknown>;
  /** What the node's status says of the resource. */
  status(): Promise<{ capacity: number; allocatable: number }>;
  /** Runs a pod that asks for one permit; answers with the devices of ours that its container has. Throws when it does not run. */
  runPod(name: string): Promise<string[]>;
  endPod(name: string): Promise<void>;
  /** Ends it without a warning. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

const permits = 3;

/** Defines the tests. `kubelet` is asked for when they run: it runs, and has the device. */
export function testKubeletBehaviours(kubelet: () => TestedKubelet, startPlugin: StartPlugin): void {
  async function start(t: TestContext, more: Record<string, string> = {}): Promise<TestedPlugin> {
    const { folder, device } = kubelet();
    const env = { TVM_KUBELET_DIR: folder, TVM_KVM_DEVICE: device, TVM_KVM_PERMITS: String(permits), ...more };
    const plugin = await startPlugin(env);
    t.after(() => plugin[Symbol.asyncDispose]());
    return plugin;
  }

  const untilStatus = (capacity: number, allocatable: number) =>
    until(`capacity ${capacity} and allocatable ${allocatable}`, async () => {
      const status = await kubelet().status();
      if (status.capacity === capacity && status.allocatable === allocatable) return true;
      throw new Error(JSON.stringify(status));
    });

  const untilReady = (plugin: TestedPlugin, text = /ok/) =>
    until(`ready: ${text}`, async () => text.test((await plugin.ready()).text));

  const sockets = () => readdirSync(join(kubelet().folder, 'device-plugins')).filter((name) => name.startsWith('tvm-'));

  test('the node offers the permits while the plugin runs', async (t) => {
    const plugin = await start(t);
    await untilStatus(permits, permits);
    await untilReady(plugin);
    await plugin.end('SIGTERM');
    await untilStatus(permits, 0);
    assert.deepEqual(sockets(), []);
  });

  test('a container gets the device and what goes with it, is counted as its holder, and frees it by its end', async (t) => {
    const plugin = await start(t);
    await untilStatus(permits, permits);
    const devices = await kubelet().runPod('holder');
    const companions = ['/dev/net/tun', '/dev/userfaultfd'].filter((path) => existsSync(path));
    assert.deepEqual(devices, ['/dev/kvm', ...companions]);
    await until('its holder in the metrics', async () =>
      /^tvm_kvm_permits_held\{namespace="default",pod="holder",container="main"\} 1$/m.test(await plugin.metrics()),
    );
    assert.match(await plugin.metrics(), /^tvm_kvm_permits_allocated 1$/m);
    assert.match(await plugin.metrics(), /^tvm_kvm_allocations_total\{result="ok"\} 1$/m);
    await kubelet().endPod('holder');
    await until('no holder', async () => /^tvm_kvm_permits_allocated 0$/m.test(await plugin.metrics()));
  });

  test('no more containers hold the device than there are permits', async (t) => {
    await start(t);
    await untilStatus(permits, permits);
    const names = ['first', 'second', 'third'];
    for (const name of names) await kubelet().runPod(name);
    await assert.rejects(kubelet().runPod('one-too-many'));
    await kubelet().endPod('one-too-many');
    await kubelet().endPod('second');
    await kubelet().runPod('in-its-place');
    for (const name of ['first', 'third', 'in-its-place']) await kubelet().endPod(name);
  });

  test('a device that vanishes makes its permits unhealthy; once it is back they are healthy again', async (t) => {
    const plugin = await start(t);
    for (let round = 0; round < 2; round += 1) {
      await untilStatus(permits, permits);
      await kubelet().removeDevice();
      await untilStatus(permits, 0);
      assert.match((await plugin.ready()).text, /device: there is no /);
      assert.match(await plugin.metrics(), /^tvm_kvm_permits_healthy 0$/m);
      await kubelet().makeDevice();
    }
    await untilStatus(permits, permits);
    await untilReady(plugin);
  });

  test('a device that comes after the plugin is found', async (t) => {
    await kubelet().removeDevice();
    await start(t);
    await untilStatus(permits, 0);
    await kubelet().makeDevice();
    await untilStatus(permits, permits);
  });

  test('a device that is there and does not work is unhealthy', async (t) => {
    const plugin = await start(t);
    await untilStatus(permits, permits);
    await kubelet().removeDevice();
    await kubelet().makeBrokenDevice();
    await untilStatus(permits, 0);
    assert.match((await plugin.ready()).text, /device: /);
    await kubelet().removeDevice();
    await kubelet().makeDevice();
    await untilStatus(permits, permits);
  });

  test('a kubelet that was killed and starts anew knows the plugin and its holders again', async (t) => {
    const plugin = await start(t);
    await untilStatus(permits, permits);
    await kubelet().runPod('stays');
    await kubelet().kill();
    await until('not ready', async () => (await plugin.ready()).status === 503);
    await kubelet().start();
    await untilReady(plugin);
    await untilStatus(permits, permits);
    await until('the holder', async () => /^tvm_kvm_permits_allocated 1$/m.test(await plugin.metrics()));
    await kubelet().runPod('another');
    await kubelet().endPod('stays');
    await kubelet().endPod('another');
    assert.equal(sockets().length, 1);
  });

  test('a kubelet that starts after the plugin is waited for', async (t) => {
    await kubelet().kill();
    const plugin = await start(t);
    await until('why it waits', async () => (await plugin.ready()).status === 503);
    await kubelet().start();
    await untilReady(plugin);
    await untilStatus(permits, permits);
  });

  test('a plugin that was killed leaves nothing that its successor does not clear', async (t) => {
    for (const offered of [permits + 1, permits]) {
      const plugin = await start(t, { TVM_KVM_PERMITS: String(offered) });
      await untilStatus(offered, offered);
      await untilReady(plugin);
      assert.equal(sockets().length, 1);
      if (offered > permits) await plugin.end('SIGKILL');
    }
    await kubelet().runPod('after');
    await kubelet().endPod('after');
  });

  test('a socket that somebody deletes is made anew', async (t) => {
    const plugin = await start(t);
    const { folder } = kubelet();
    for (let round = 0; round < 3; round += 1) {
      await untilReady(plugin);
      await untilStatus(permits, permits);
      const [name = ''] = sockets();
      rmSync(join(folder, 'device-plugins', name));
      await until('another socket', () => sockets().some((each) => each !== name));
    }
    await untilReady(plugin);
    await untilStatus(permits, permits);
    await kubelet().runPod('after');
    await kubelet().endPod('after');
  });

  test('of two plugins one serves, and the other takes its place at once', async (t) => {
    let serving = await start(t);
    await untilReady(serving);
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const other = await start(t);
      await until('it stands by', async () => (await other.ready()).status === 200);
      assert.match(await other.metrics(), /^tvm_kvm_registered 0$/m);
      await untilStatus(permits, permits);
      await serving.end(signal);
      await until('it serves', async () => /^tvm_kvm_registered 1$/m.test(await other.metrics()));
      await untilStatus(permits, permits);
      await kubelet().runPod('of-the-other');
      await kubelet().endPod('of-the-other');
      serving = other;
    }
  });
}
