// The disks of this node, one folder each below its state: content and record. Invariants: a folder under its own name holds a
// whole disk; a file system that a guest may have written to is never read by the host.
import { execFile } from 'node:child_process';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { mkdir, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { TvmError } from '@tvm/api/errors.ts';
import { isNoSpace } from '../snapshots/snapshot-store.ts';
import { toolEnvironment } from '../system-path.ts';
import { savedDiskPath, savedDisksFolder, type VmDisk } from '../vmm/driver.ts';
import { copySparse } from '../vmm/sparse.ts';
import { type DiskRecord, type DiskSpec, diskIdOf, diskRecord, keyOf } from './disk.ts';
import { type DiskOwner, disksOf, isRemovedWithMachine, planDisk } from './plan.ts';

const contentFile = 'disk.raw';
const recordFile = 'disk.json';
const stagingPrefix = '.new-';
const mib = 1024 * 1024;
const blockBytes = 512;
const makeTimeoutMs = 60_000;

export interface RetainedDisk {
  key: string;
  sizeMiB: number;
  /** That it takes up. */
  allocatedBytes: number;
}

export interface DiskStore {
  /** Every disk that is there. */
  records(): DiskRecord[];
  /** Makes the owner's disks ready to be attached; with `snapshotFolder` new ones are copies of what `save` left there. */
  prepare(owner: DiskOwner, snapshotFolder: string | undefined): Promise<void>;
  /** Makes the files of disks as large as they are declared; their VM may run. At once, so that others see them so. */
  grow(owner: DiskOwner): void;
  /** From now on what is in them belongs to somebody. */
  markUsed(owner: DiskOwner): void;
  /** Whether a VMM was started with them. */
  areUsed(owner: DiskOwner): boolean;
  /** That the owner's disks take up: no copy of them takes up more. */
  allocatedBytes(owner: DiskOwner): number;
  /** What a VM of the owner is given. */
  attachments(owner: DiskOwner): VmDisk[];
  /** Copies the owner's disks into a snapshot's folder. Nobody may write to them meanwhile. */
  save(owner: DiskOwner, snapshotFolder: string): Promise<void>;
  /** Removes what goes with the owner; a retained disk stays, and belongs to nobody. */
  release(owner: DiskOwner): void;
  /** Those that outlive their machines. */
  retained(): RetainedDisk[];
  /** Unknown keys are fine. The disk must be unattached. */
  remove(retainedAs: string): void;
  /** Removes what is half-made, and what belonged to machines that are not in `uids`. */
  sweep(uids: ReadonlySet<string>): void;
}

export function makeDiskStore(root: string): DiskStore {
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const folderOf = (key: string) => join(root, diskIdOf(key));
  const contentOf = (key: string) => join(folderOf(key), contentFile);
  const find = (key: string) => readRecord(folderOf(key));
  const write = (record: DiskRecord) => {
    const path = join(folderOf(record.key), recordFile);
    writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  };
  const records = () =>
    readdirSync(root).flatMap((name) => (name.startsWith(stagingPrefix) ? [] : (readRecord(join(root, name)) ?? [])));
  const recordsOf = (owner: DiskOwner) => disksOf(owner).flatMap((disk) => find(keyOf(owner.uid, disk)) ?? []);
  const removeKey = (key: string) => rmSync(folderOf(key), { recursive: true, force: true });

  async function prepareDisk(uid: string, disk: DiskSpec, snapshotFolder: string | undefined): Promise<void> {
    const key = keyOf(uid, disk);
    const record = find(key);
    const step = planDisk(disk, record, snapshotFolder !== undefined);
    const fresh = { key, retained: disk.retainedAs !== '', machineUid: uid, sizeMiB: disk.sizeMiB, used: false };
    if (step.do === 'make') await publish(fresh, (path) => makeFileSystem(path, step.sizeMiB));
    if (step.do === 'copy')
      await publish(fresh, (path) => copySparse(savedDiskPath(snapshotFolder ?? '', disk.name), path));
    if (step.do === 'grow') await truncate(contentOf(key), step.sizeMiB * mib);
    // Its size is written after it has grown: a crash in between lets it grow again.
    if (record && step.do !== 'copy')
      write({ ...record, machineUid: uid, sizeMiB: Math.max(disk.sizeMiB, record.sizeMiB) });
  }

  async function publish(record: DiskRecord, fill: (path: string) => Promise<void>): Promise<void> {
    const staging = join(root, `${stagingPrefix}${diskIdOf(record.key)}`);
    await rm(staging, { recursive: true, force: true });
    await mkdir(staging, { mode: 0o700 });
    try {
      await fill(join(staging, contentFile));
      // The disk of a snapshot may be larger than was asked for: it must not be taken for smaller than it is.
      const whole = { ...record, sizeMiB: Math.max(record.sizeMiB, sizeMiBOf(join(staging, contentFile))) };
      await writeFile(join(staging, recordFile), JSON.stringify(whole), { mode: 0o600 });
      removeKey(record.key);
      await rename(staging, folderOf(record.key));
    } catch (error) {
      await rm(staging, { recursive: true, force: true });
      throw isNoSpace(error) ? noSpace(root, error) : error;
    }
  }

  return {
    records,
    async prepare(owner, snapshotFolder) {
      for (const disk of disksOf(owner)) await prepareDisk(owner.uid, disk, snapshotFolder);
    },
    grow(owner) {
      for (const disk of disksOf(owner)) {
        const record = find(keyOf(owner.uid, disk));
        if (!record || record.sizeMiB >= disk.sizeMiB) continue;
        truncateSync(contentOf(record.key), disk.sizeMiB * mib);
        write({ ...record, sizeMiB: disk.sizeMiB });
      }
    },
    markUsed(owner) {
      for (const record of recordsOf(owner)) if (!record.used) write({ ...record, used: true });
    },
    areUsed: (owner) => recordsOf(owner).some(({ used, machineUid }) => used && machineUid === owner.uid),
    allocatedBytes: (owner) =>
      disksOf(owner).reduce((sum, disk) => sum + allocatedBytes(contentOf(keyOf(owner.uid, disk))), 0),
    attachments: (owner) =>
      disksOf(owner).map((disk) => {
        const path = contentOf(keyOf(owner.uid, disk));
        // A retained one may be larger than is asked for now.
        return { name: disk.name, path, sizeMiB: Math.max(disk.sizeMiB, sizeMiBOf(path)) };
      }),
    async save(owner, snapshotFolder) {
      if (disksOf(owner).length > 0)
        await mkdir(join(snapshotFolder, savedDisksFolder), { recursive: true, mode: 0o700 });
      for (const disk of disksOf(owner))
        await copySparse(contentOf(keyOf(owner.uid, disk)), savedDiskPath(snapshotFolder, disk.name));
    },
    release(owner) {
      for (const record of recordsOf(owner)) {
        if (record.machineUid !== owner.uid) continue;
        if (isRemovedWithMachine(record)) removeKey(record.key);
        else write({ ...record, machineUid: '' });
      }
    },
    retained: () =>
      records()
        .filter(({ retained }) => retained)
        .map(({ key, sizeMiB }) => ({
          key: key.slice('retained/'.length),
          sizeMiB,
          allocatedBytes: allocatedBytes(contentOf(key)),
        })),
    remove: (retainedAs) => removeKey(keyOf('', { name: '', retainedAs })),
    sweep(uids) {
      for (const name of readdirSync(root)) {
        const record = name.startsWith(stagingPrefix) ? undefined : readRecord(join(root, name));
        const isStray = !record || (isRemovedWithMachine(record) && !uids.has(record.machineUid));
        if (isStray) rmSync(join(root, name), { recursive: true, force: true });
        else if (record.machineUid !== '' && !uids.has(record.machineUid)) write({ ...record, machineUid: '' });
      }
    },
  };
}

function readRecord(folder: string): DiskRecord | undefined {
  try {
    return diskRecord.parse(JSON.parse(readFileSync(join(folder, recordFile), 'utf8')));
  } catch {
    return undefined;
  }
}

/** 0 when it is not there. */
function sizeMiBOf(path: string): number {
  return Math.ceil((statSync(path, { throwIfNoEntry: false })?.size ?? 0) / mib);
}

function allocatedBytes(path: string): number {
  return (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * blockBytes;
}

function noSpace(root: string, cause: unknown): TvmError {
  const hint = `Make room in ${root}, or delete disks and snapshots.`;
  return new TvmError('resource_exhausted', 'no space left for a disk', { cause, hint, reason: 'NoSpace' });
}

/** A sparse file with an empty file system, whose features every kernel of a guest knows. */
async function makeFileSystem(path: string, sizeMiB: number): Promise<void> {
  await writeFile(path, '', { mode: 0o600 });
  await truncate(path, sizeMiB * mib);
  const layout = ['-b', '4096', '-m', '0', '-O', '64bit,^orphan_file,^metadata_csum_seed'];
  const args = ['-q', '-F', ...layout, '-E', 'root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1', path];
  try {
    await promisify(execFile)('mkfs.ext4', args, { timeout: makeTimeoutMs, env: toolEnvironment });
  } catch (cause) {
    const { code, stderr = '' } = cause as { code?: string; stderr?: string };
    const missing = code === 'ENOENT';
    const message = missing ? 'mkfs.ext4 is not installed' : `no file system could be made: ${stderr.trim() || cause}`;
    const hint = missing ? { hint: 'Install e2fsprogs: on Debian, apt-get install e2fsprogs.' } : {};
    throw new TvmError('failed_precondition', message, { cause, reason: 'DiskUnavailable', ...hint });
  }
}
