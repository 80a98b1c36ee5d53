// The disks of a machine as its guest knows them: by the serial number that the VMM gives them, which need not be their name.
import { TvmError } from '@tvm/api/errors.ts';
import type { ExecutorDeps } from './executor.ts';
import type { MachineRecord } from './record.ts';

/** What its agent is to mount, after a boot as after a restore. */
export function guestDisks({ driver, disks }: Pick<ExecutorDeps, 'driver' | 'disks'>, record: MachineRecord) {
  const mounted = record.spec.disks ?? [];
  return disks.attachments(record).map((disk, index) => ({
    serial: driver.serialOf?.(disk) ?? disk.name,
    mountPath: mounted[index]?.mountPath ?? '',
  }));
}

/** Of an answer of the guest: what it says of a disk is said of its name. */
export async function namingDisks<T>(
  { spec }: Pick<MachineRecord, 'spec'>,
  disks: readonly { serial: string }[],
  answer: Promise<T>,
): Promise<T> {
  try {
    return await answer;
  } catch (thrown) {
    const { code, message, reason, object, hint } = TvmError.from(thrown);
    const index = disks.findIndex(({ serial }) => message.includes(`disk ${serial} `));
    const [disk, named] = [disks[index], spec.disks?.[index]];
    if (!disk || !named || disk.serial === named.name) throw thrown;
    const said = message.replace(`disk ${disk.serial} `, `disk ${named.name} `);
    throw new TvmError(code, said, {
      cause: thrown,
      ...(object && { object }),
      ...(reason && { reason }),
      ...(hint && { hint }),
    });
  }
}
