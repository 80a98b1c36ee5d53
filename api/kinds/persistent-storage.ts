// Disks of a machine that keep what is written to them when it stops. Invariant: what a disk is called and where it appears
// never changes; it may only grow.
import { z } from 'zod';
import { celRules } from './meta.ts';

/** As many as fit beside the root, the channel and a network interface: QEMU's microvm machine has eight places. */
export const maxDisks = 4;
export const maxDiskMB = 16_777_216;
/** It is also the disk's serial number inside the machine, which has 20 characters. */
export const diskNamePattern = /^[a-z0-9]([-a-z0-9]{0,18}[a-z0-9])?$/;
export const mountPathPattern = /^(\/[A-Za-z0-9._-]+)+$/;
/** Where nothing can be mounted without breaking the machine; RE2 and JavaScript read it alike. */
const reserved =
  '^/(bin|boot|dev|etc|lib|lib32|lib64|libx32|proc|run|sbin|sys|tmp|usr)$|^/(dev|proc|run|sys)/|/[.][.]?(/|$)';
export const reservedMountPath = new RegExp(reserved);

const growOnly = celRules({ rule: 'self >= oldSelf', message: 'a disk can only grow' });
const mountRules = celRules(
  {
    rule: `!self.matches('${reserved}')`,
    message: 'nothing can be mounted there: choose a path such as /data or /home/user',
  },
  { rule: 'self == oldSelf', message: 'mountPath is immutable: make a new MicroVM' },
);
const retainRules = celRules({ rule: 'self == oldSelf', message: 'retain is immutable: make a new MicroVM' });

const disk = z
  .object({
    name: z
      .string()
      .regex(diskNamePattern, 'must be 1 to 20 lower-case letters, digits and "-"')
      .max(20)
      .meta({ description: 'Of the disk, unique in the machine: 1 to 20 lower-case letters, digits and "-".' }),
    sizeMB: z
      .int()
      .min(16)
      .max(maxDiskMB)
      .meta({
        description: 'In MB (2^20 bytes), 16 at least. It may be made larger, also while the machine runs.',
        ...growOnly,
      }),
    mountPath: z
      .string()
      .regex(mountPathPattern, 'must be an absolute path such as /data, without "/" at its end')
      .max(255)
      .meta({
        description: 'Where it is mounted inside the machine; made when it is missing. Immutable.',
        ...mountRules,
      }),
    retain: z
      .boolean()
      .default(false)
      .meta({
        description:
          'Whether it stays when the MicroVM is deleted: a new MicroVM of the same name that asks for a disk of the same ' +
          'name finds it again. Default: false, it goes with the MicroVM. Immutable.',
        ...retainRules,
      }),
  })
  .meta({ description: 'One disk: an ext4 file system, made when it is first used.' });

export type PersistentDisk = z.infer<typeof disk>;

export const persistentStorage = z
  .array(disk)
  .max(maxDisks)
  .meta({
    description: `Disks that survive stops and crashes of the machine, ${maxDisks} at most. Default: none.`,
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
    ...celRules(
      {
        rule: "self.all(a, self.all(b, a.name == b.name || !(a.mountPath + '/').startsWith(b.mountPath + '/')))",
        message: 'mount paths of two disks are the same, or one is within the other',
      },
      {
        rule: 'size(self) == size(oldSelf) && self.all(a, oldSelf.exists(b, a.name == b.name))',
        message: 'disks can be neither added nor removed: make a new MicroVM',
      },
    ),
  });
