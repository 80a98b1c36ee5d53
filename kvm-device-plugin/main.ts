// The device plugin's process: wiring alone.
import { systemClock } from '@tvm/kit/clock.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { aborted, notifyReady, runMain, settingsFrom } from '@tvm/kit/run-main.ts';
import { readConfig } from './config.ts';
import { openPlugin } from './plugin.ts';

const config = await settingsFrom(readConfig);
const log = makeLogger('kvm-device-plugin', config.logLevel);

await runMain(log, async (signal) => {
  await using plugin = await openPlugin({ config, clock: systemClock, log });
  notifyReady({ metrics: plugin.metricsUrl, health: plugin.healthUrl });
  await Promise.race([aborted(signal), plugin.running]);
});
