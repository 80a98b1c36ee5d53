import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemClock } from '@tvm/kit/clock.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import { until } from '../testing/until.ts';
import { DeviceWatch } from './device-watch.ts';
import { type Health, probeDevice } from './probe.ts';

const log = makeLogger('test', 'silent');
const gone: Health = { healthy: false, reason: 'gone' };
const fine: Health = { healthy: true };
const changing = (): { health: Health } => ({ health: fine });

/** Runs until the test ends. */
function running(t: TestContext, device: DeviceWatch): AbortSignal {
  const stop = new AbortController();
  const run = device.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await run;
  });
  return stop.signal;
}

test('a device that stops working with no change of its node is noticed by the next look, in both directions', async (t) => {
  const clock = makeManualClock();
  const now = changing();
  const device = new DeviceWatch({ path: '/dev/null', probe: async () => now.health, clock, log });
  running(t, device);
  for (const next of [gone, fine, gone, fine]) {
    await clock.advance(1);
    now.health = next;
    await clock.advance(10_000);
    assert.deepEqual(device.health, next);
  }
});

test('changes begin with what is, tell each change once, and end with their signal', async (t) => {
  const clock = makeManualClock();
  const now = changing();
  const device = new DeviceWatch({ path: '/nowhere/kvm', probe: async () => now.health, clock, log });
  const signal = AbortSignal.any([running(t, device)]);
  const seen: boolean[] = [];
  const stop = new AbortController();
  const reading = (async () => {
    for await (const each of device.changes(AbortSignal.any([signal, stop.signal]))) seen.push(each.healthy);
  })();
  for (const next of [fine, gone, { healthy: false, reason: 'still gone' } as Health, fine, fine]) {
    now.health = next;
    await clock.advance(20_000);
  }
  assert.deepEqual(seen, [true, false, true]);
  stop.abort();
  await reading;
});

test('before anyone looked the device counts as absent; who watches makes it looked at', async () => {
  const device = new DeviceWatch({ path: '/dev/null', probe: async () => fine, clock: makeManualClock(), log });
  assert.equal(device.health.healthy, false);
  for await (const health of device.changes(new AbortController().signal)) {
    assert.deepEqual(health, fine);
    break;
  }
});

test('a folder that is made later, removed and made again is watched all the same', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'tvm-device-'));
  t.after(() => rmSync(home, { recursive: true }));
  const folder = join(home, 'dev');
  const path = join(folder, 'kvm');
  const probe = () => probeDevice(path);
  const device = new DeviceWatch({ path, probe, clock: systemClock, log, probeEveryMs: 50 });
  running(t, device);
  for (let round = 0; round < 3; round += 1) {
    await until('absent', () => !device.health.healthy);
    mkdirSync(folder);
    symlinkSync('/dev/null', path);
    await until('healthy', () => device.health.healthy);
    rmSync(folder, { recursive: true });
  }
});
