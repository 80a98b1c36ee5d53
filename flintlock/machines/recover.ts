// After flintlock has started: takes up the machines that are there and removes what is half-made or belongs to nobody.
// Invariant: afterwards every VM has a record and every record is worked on.
import type { Logger } from '@tvm/kit/log.ts';
import type { Networks } from '../network/networks.ts';
import type { Driver } from '../vmm/driver.ts';
import type { Machines } from './machines.ts';
import { hasVmm, type MachineRecord } from './record.ts';
import type { RecordStore } from './record-store.ts';
import { watchVmm } from './start-vmm.ts';
import { removeSuspended } from './suspension.ts';

export interface RecoverDeps {
  driver: Driver;
  networks: Networks;
  records: RecordStore;
  machinesFolder: string;
  machines: Machines;
  log: Logger;
}

/** Whether it has a VMM that needs its network. */
function isConnected(record: MachineRecord): boolean {
  return record.spec.network !== undefined && hasVmm(record);
}

/** What is written on its disks must not go: it fails, and is started again by whoever declared it. */
function endOf({ spec }: MachineRecord): Partial<MachineRecord> {
  if (!spec.disks) return { desired: 'destroyed', state: 'destroying' };
  const message = 'flintlock ended while the machine was being started';
  return { state: 'failed', reason: 'Interrupted', message, errorCode: 'unavailable' };
}

export async function recoverMachines(deps: RecoverDeps): Promise<void> {
  const { driver, records, machines, log } = deps;
  const { records: found, strays } = records.load();
  const ids = new Set(found.map(({ id }) => id));
  const ended = await driver.sweep(deps.machinesFolder, ids);
  const connected = new Set(found.filter(isConnected).map(({ id }) => id));
  const disconnected = await deps.networks.sweep(connected);
  for (const id of strays) records.remove(id);
  if (ended.length + strays.length + disconnected.length > 0)
    log.warn({ vms: ended, folders: strays, networks: disconnected }, 'removed what belonged to no machine');

  for (const record of found) {
    // What it should have got in its environment is not known any more: whoever declared it creates it again.
    const isHalfMade = record.state === 'creating' || record.spec.template;
    const machine = machines.adopt(isHalfMade ? { ...record, ...endOf(record) } : record);
    await removeSuspended(machine.vm, record.suspended ? 'unfinished' : 'all');
    const { state } = await driver.inspect(machine.vm);
    log.info(
      { machine: record.uid, state: record.state, vm: state },
      isHalfMade ? 'removing a half-made machine' : 'found',
    );
    if (state === 'running' || state === 'paused') {
      watchVmm(driver, machine);
      await takeUpNetwork(deps, record);
    }
    machine.wake();
  }
}

/** A machine whose network is gone reaches nothing: that is told, and it goes on. */
async function takeUpNetwork({ networks, log }: RecoverDeps, { id, uid, spec }: MachineRecord): Promise<void> {
  if (!spec.network) return;
  try {
    await networks.adopt(id, spec.network);
  } catch (err) {
    log.error({ err, machine: uid }, 'the network of a machine could not be taken up');
  }
}
