// A flintlock put together from its parts and running: recovered first, then reachable.
// Invariant: closing it leaves the VMs alone.
import { join } from 'node:path';
import { systemClock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { Registry } from '@tvm/kit/metrics.ts';
import type { Tracing } from '@tvm/kit/tracing/tracing.ts';
import type { Config } from './config.ts';
import { makeDiskStore } from './disks/disk-store.ts';
import { makeDrain } from './drain.ts';
import { watchImageUses } from './image-uses.ts';
import { showMachineUse } from './machine-metrics.ts';
import type { Images } from './machines/executor.ts';
import { watchLiveness } from './machines/liveness.ts';
import { Machines } from './machines/machines.ts';
import { makeRecordStore } from './machines/record-store.ts';
import { recoverMachines } from './machines/recover.ts';
import { watchSuspension } from './machines/suspension.ts';
import { makeUsageSweep } from './machines/usage-sweep.ts';
import { measure } from './metrics.ts';
import type { Networks } from './network/networks.ts';
import { noNetworks } from './network/no-networks.ts';
import { claimAddress, parseAddress } from './rpc/address.ts';
import { serve } from './rpc/server.ts';
import { makeSnapshotStore } from './snapshots/snapshot-store.ts';
import { claimState } from './state-claim.ts';
import { buildTemplates } from './templates/template-builder.ts';
import { Templates } from './templates/templates.ts';
import type { Driver } from './vmm/driver.ts';
import { traceDriver } from './vmm/traced-driver.ts';

export interface FlintlockDeps {
  config: Pick<Config, 'listen' | 'limits' | 'bootTimeoutMs' | 'nodeName' | 'stateFolder' | 'templates'> &
    Partial<Pick<Config, 'tlsFolder' | 'suspendAfterMs'>>;
  driver: Driver;
  images: Images;
  /** Undefined: machines have no network. */
  networks?: Networks | undefined;
  log: Logger;
  /** Where its measures go; undefined: nothing is measured. */
  registry?: Registry | undefined;
  /** Undefined: nothing is traced. */
  tracing?: Tracing | undefined;
}

export interface RunningFlintlock extends AsyncDisposable {
  address: string;
  /** Whether it takes no more machines. */
  readonly draining: boolean;
  /** Takes no more machines from now on; resolves when none is up, `deadlineMs` from now at most. */
  drain(deadlineMs: number): Promise<void>;
}

export const version = '0.1.0';

export async function openFlintlock({
  config,
  driver: bareDriver,
  images,
  networks = noNetworks,
  log,
  registry,
  tracing,
}: FlintlockDeps): Promise<RunningFlintlock> {
  const driver = tracing ? traceDriver(bareDriver, tracing) : bareDriver;
  await using opened = new AsyncDisposableStack();
  const address = parseAddress(config.listen, config.tlsFolder !== undefined);
  opened.use(await claimState(config.stateFolder));
  await claimAddress(address);
  const machinesFolder = join(config.stateFolder, 'machines');
  driver.checkFolder(join(machinesFolder, '0'.repeat(12)));
  const records = makeRecordStore(machinesFolder);
  const snapshots = makeSnapshotStore(join(config.stateFolder, 'snapshots'));
  const store = makeSnapshotStore(join(config.stateFolder, 'templates'));
  const disks = makeDiskStore(join(config.stateFolder, 'disks'));
  await Promise.all([snapshots.sweep(), store.sweep()]);
  const { limits, bootTimeoutMs } = config;
  const shared = { driver, clock: systemClock, log, tracing };
  const templates = new Templates({ ...shared, store, enabled: config.templates });
  await templates.sweep();
  opened.use(networks);
  const machines = opened.use(
    new Machines({ ...shared, images, records, snapshots, templates, disks, networks, limits, bootTimeoutMs }),
  );
  await recoverMachines({ driver, networks, records, machinesFolder, machines, log });
  disks.sweep(new Set(machines.list().map(({ uid }) => uid)));
  if (registry) showMachineUse(registry, makeUsageSweep({ ...shared, machines }));
  const stop = new AbortController();
  const working = [
    buildTemplates({ ...shared, machines, templates, store }, stop.signal),
    watchLiveness({ ...shared, machines }, stop.signal),
    watchImageUses(
      { ...shared, machines, images, stores: [snapshots, store], stateFolder: config.stateFolder },
      stop.signal,
    ),
    watchSuspension({ ...shared, machines, suspendAfterMs: config.suspendAfterMs ?? 0 }, stop.signal),
    registry && measure(registry, { machines, limits }, stop.signal),
  ];
  opened.defer(async () => {
    stop.abort();
    await Promise.all(working);
  });
  const drain = makeDrain({ machines, clock: systemClock, log });
  const node = { name: config.nodeName, version, limits, drain, tlsFolder: config.tlsFolder };
  const server = opened.use(
    await serve({ ...node, driver, images, machines, snapshots, templates, disks, networks, log, tracing }, address),
  );
  const kept = opened.move();
  return {
    address: server.address,
    get draining() {
      return drain.draining;
    },
    drain: drain.run,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
