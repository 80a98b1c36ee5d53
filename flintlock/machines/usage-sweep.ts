// What the machines of this node use, read from their VMMs in one sweep that all who look share.
// Invariant: bounded in time whatever a VMM does: one that does not answer keeps its last numbers, and is asked nothing more
// before it has answered.
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Driver, VmUsage } from '../vmm/driver.ts';
import type { Machines } from './machines.ts';
import { hasVmm, type MachineRecord } from './record.ts';

export interface UsedMachine {
  record: MachineRecord;
  usage: VmUsage;
}

export interface UsageSweepDeps {
  machines: Pick<Machines, 'list' | 'vm'>;
  driver: Pick<Driver, 'usage'>;
  clock: Clock;
}

/** Machines that are asked at once. */
const atOnce = 8;
const sweepMs = 2_000;
/** Whoever looks sooner is shown the same. */
const freshMs = 1_000;

/** Of machines that have a VMM and have answered before. */
export function makeUsageSweep({ machines, driver, clock }: UsageSweepDeps): () => Promise<UsedMachine[]> {
  const last = new Map<string, VmUsage>();
  const asked = new Set<string>();
  let sweeping: Promise<void> | undefined;
  let sweptAtMs = Number.NEGATIVE_INFINITY;

  async function ask(uid: string): Promise<void> {
    asked.add(uid);
    try {
      last.set(uid, await driver.usage(machines.vm(uid)));
    } catch (thrown) {
      // It ended meanwhile, or is gone: it has no numbers any more.
      if (endCodes.has(TvmError.from(thrown).code)) last.delete(uid);
    } finally {
      asked.delete(uid);
    }
  }

  async function sweep(): Promise<void> {
    const over = new AbortController();
    const waiting = withVmm(machines).filter(({ uid }) => !asked.has(uid));
    const deadline = clock.sleep(sweepMs, over.signal);
    const work = async () => {
      for (let next = waiting.shift(); next && !over.signal.aborted; next = waiting.shift()) await ask(next.uid);
    };
    await Promise.race([deadline, Promise.all(Array.from({ length: atOnce }, work))]);
    over.abort();
    sweptAtMs = clock.now();
  }

  return async () => {
    if (clock.now() - sweptAtMs >= freshMs) {
      sweeping ??= sweep().finally(() => {
        sweeping = undefined;
      });
      await sweeping;
    }
    const present = withVmm(machines);
    const uids = new Set(present.map(({ uid }) => uid));
    for (const uid of last.keys()) if (!uids.has(uid)) last.delete(uid);
    return present.flatMap((record) => {
      const usage = last.get(record.uid);
      return usage ? [{ record, usage }] : [];
    });
  };
}

const endCodes = new Set<TvmError['code']>(['failed_precondition', 'not_found']);

function withVmm(machines: Pick<Machines, 'list'>): MachineRecord[] {
  return machines.list().filter(hasVmm);
}
