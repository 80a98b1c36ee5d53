// Calls about disks that outlive their machines. Invariant: none is removed while a machine has it.
import type { ServiceImpl } from '@connectrpc/connect';
import { TvmError } from '@tvm/api/errors.ts';
import type { Flintlock } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { DiskStore } from '../disks/disk-store.ts';
import type { Machines } from '../machines/machines.ts';

export function makeDiskCalls(
  machines: Machines,
  disks: DiskStore,
): Pick<ServiceImpl<typeof Flintlock>, 'listDisks' | 'deleteDisk'> {
  const ownerOf = (key: string) =>
    machines.list().find(({ spec }) => spec.disks?.some(({ retainedAs }) => retainedAs === key))?.uid ?? '';
  return {
    listDisks: () => ({
      disks: disks.retained().map(({ key, sizeMiB, allocatedBytes }) => ({
        key,
        sizeMib: sizeMiB,
        allocatedBytes: BigInt(allocatedBytes),
        machineUid: ownerOf(key),
      })),
    }),
    deleteDisk({ key }) {
      const owner = ownerOf(key);
      if (key !== '' && owner === '') disks.remove(key);
      else throw inUse(key, owner);
      return {};
    },
  };
}

function inUse(key: string, owner: string): TvmError {
  if (key === '') return new TvmError('invalid_argument', 'the key of the disk is missing');
  const hint = 'Delete that machine first.';
  return new TvmError('failed_precondition', `disk ${key} belongs to machine ${owner}`, { reason: 'DiskInUse', hint });
}
