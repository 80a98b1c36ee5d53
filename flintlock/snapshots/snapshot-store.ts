// Snapshots of this node on disk, one folder each. Invariant: a folder under its own name is complete; what its manifest
// says of its files is checked before a machine starts from it.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import { z } from 'zod';
import { machineRecord } from '../machines/record.ts';
import { savedDisksFolder } from '../vmm/driver.ts';

const manifestFile = 'manifest.json';
const stagingPrefix = '.new-';
const namePattern = /^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/;

const manifestSchema = z.strictObject({
  name: z.string(),
  machineUid: z.string(),
  /** 1 is the first of its machine. */
  generation: z.int().default(0),
  /** Of the machine. */
  labels: z.record(z.string(), z.string()).default({}),
  spec: machineRecord.shape.spec,
  imageDigest: z.string(),
  createdAtMs: z.int(),
  files: z.array(z.strictObject({ name: z.string(), sizeBytes: z.int(), sha256: z.string() })),
});
export type SnapshotManifest = z.infer<typeof manifestSchema>;

/** When something last started from a snapshot. */
export interface SnapshotUse {
  name: string;
  usedAtMs: number;
}

export interface SnapshotStore {
  has(name: string): Promise<boolean>;
  find(name: string): Promise<SnapshotManifest | undefined>;
  list(): Promise<SnapshotManifest[]>;
  /** What the copies of disks take up in each whole snapshot that has some. */
  diskBytes(): Map<string, number>;
  /** Calls `fill` with an empty folder, then publishes it under the name. */
  add(about: Omit<SnapshotManifest, 'files'>, fill: (folder: string) => Promise<void>): Promise<SnapshotManifest>;
  /** The folder of a snapshot that is whole and fits the image. */
  open(name: string, imageDigest: string): Promise<string>;
  /** Remembers that something starts from it now. */
  touch(name: string): Promise<void>;
  usage(): Promise<SnapshotUse[]>;
  /** Unknown names are fine. */
  remove(name: string): Promise<void>;
  /** Removes what was half-made. */
  sweep(): Promise<void>;
}

export function makeSnapshotStore(root: string): SnapshotStore {
  /** Files whose content was compared once in this process: they are immutable. */
  const verified = new Set<string>();

  async function find(name: string): Promise<SnapshotManifest | undefined> {
    checkSnapshotName(name);
    const text = await readFile(join(root, name, manifestFile), 'utf8').catch(() => undefined);
    if (text === undefined) return undefined;
    try {
      return manifestSchema.parse(JSON.parse(text));
    } catch (cause) {
      throw new TvmError('data_loss', `the manifest of snapshot ${name} cannot be read`, { cause, ...about(name) });
    }
  }

  async function list(): Promise<SnapshotManifest[]> {
    const names = (await readdir(root)).filter((name) => namePattern.test(name));
    const manifests = await Promise.all(names.map((name) => find(name).catch(() => undefined)));
    return manifests.filter((manifest) => manifest !== undefined);
  }

  const changedAt = (name: string) =>
    stat(join(root, name, manifestFile)).then(
      ({ mtimeMs }) => mtimeMs,
      () => undefined,
    );

  return {
    find,
    list,
    has: async (name) => (await changedAt(name)) !== undefined,

    diskBytes() {
      const names = readdirSync(root).filter((name) => namePattern.test(name));
      const sizes = names.map((name) => [name, allocatedBytes(join(root, name, savedDisksFolder))] as const);
      return new Map(sizes.filter(([, bytes]) => bytes > 0));
    },

    async touch(name) {
      const now = new Date();
      // It may be removed at the same time; what was opened stays usable.
      await utimes(join(root, name, manifestFile), now, now).catch(() => undefined);
    },

    async usage() {
      const names = (await readdir(root)).filter((name) => namePattern.test(name));
      const uses = await Promise.all(names.map(async (name) => ({ name, usedAtMs: await changedAt(name) })));
      return uses.flatMap(({ name, usedAtMs }) => (usedAtMs === undefined ? [] : [{ name, usedAtMs }]));
    },

    async add(facts, fill) {
      checkSnapshotName(facts.name);
      const staging = join(root, `${stagingPrefix}${facts.name}`);
      await rm(staging, { recursive: true, force: true });
      await mkdir(staging, { recursive: true, mode: 0o700 });
      try {
        await fill(staging);
        // Disks are in a folder: their size has no bound, and they are not hashed.
        const found = (await readdir(staging, { withFileTypes: true })).filter((each) => each.isFile());
        const files = await Promise.all(found.map(({ name }) => describe(staging, name)));
        const manifest = { ...facts, files };
        await writeFile(join(staging, manifestFile), JSON.stringify(manifest), { mode: 0o600 });
        await rename(staging, join(root, facts.name));
        return manifest;
      } catch (error) {
        await rm(staging, { recursive: true, force: true });
        throw isNoSpace(error) ? noSpace(facts.name, root, error) : error;
      }
    },

    async open(name, imageDigest) {
      const manifest = await find(name);
      if (!manifest) throw new TvmError('not_found', `snapshot ${name} is not on this node`, about(name));
      if (manifest.imageDigest !== imageDigest) {
        const message = `snapshot ${name} was made with another version of image ${manifest.spec.image}`;
        throw new TvmError('failed_precondition', message, { ...about(name), reason: 'SnapshotStale' });
      }
      const folder = join(root, name);
      for (const file of manifest.files) {
        const key = `${name}/${file.name}/${manifest.createdAtMs}`;
        const now = verified.has(key) ? file : await describe(folder, file.name).catch(() => undefined);
        if (now?.sha256 !== file.sha256) {
          const message = `${file.name} of snapshot ${name} is damaged`;
          throw new TvmError('data_loss', message, { ...about(name), reason: 'SnapshotDamaged' });
        }
        verified.add(key);
      }
      return folder;
    },

    async remove(name) {
      checkSnapshotName(name);
      const dying = join(root, `${stagingPrefix}${name}`);
      await rm(dying, { recursive: true, force: true });
      await rename(join(root, name), dying).catch((error) => {
        if (error.code !== 'ENOENT') throw error;
      });
      await rm(dying, { recursive: true, force: true });
    },

    async sweep() {
      await mkdir(root, { recursive: true, mode: 0o700 });
      for (const name of await readdir(root)) {
        if (name.startsWith(stagingPrefix)) await rm(join(root, name), { recursive: true, force: true });
      }
    },
  };
}

/** Throws `invalid_argument` for a name that a snapshot cannot have. */
export function checkSnapshotName(name: string): void {
  if (namePattern.test(name)) return;
  const hint = 'Use 1 to 63 lower-case letters, digits, - and ., beginning and ending with a letter or digit.';
  throw new TvmError('invalid_argument', `${JSON.stringify(name)} is no name for a snapshot`, { hint });
}

/** Also when a program that was run for it says so. */
export function isNoSpace(error: unknown): boolean {
  return error instanceof Error && /ENOSPC|EDQUOT|No space left on device|quota exceeded/i.test(error.message);
}

function noSpace(name: string, root: string, cause: unknown): TvmError {
  const hint = `Make room in ${root}, or delete snapshots.`;
  const message = `no space left on the disk for snapshot ${name}`;
  return new TvmError('resource_exhausted', message, { cause, hint, ...about(name), reason: 'NoSpace' });
}

function about(name: string) {
  return { object: `snapshot/${name}` };
}

const blockBytes = 512;

/** Of the files in a folder; 0 when it is not there. It may be removed at the same time. */
function allocatedBytes(folder: string): number {
  if (!existsSync(folder)) return 0;
  const blocksOf = (name: string) => statSync(join(folder, name), { throwIfNoEntry: false })?.blocks ?? 0;
  return readdirSync(folder).reduce((sum, name) => sum + blocksOf(name) * blockBytes, 0);
}

const hashBlockBytes = 1024 * 1024;

/** Reads through one buffer: the memory of a machine is large, flintlock's shall not be. */
async function describe(folder: string, name: string) {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(hashBlockBytes);
  await using file = await open(join(folder, name), 'r');
  let sizeBytes = 0;
  for (let read = await file.read(buffer); read.bytesRead > 0; read = await file.read(buffer)) {
    hash.update(buffer.subarray(0, read.bytesRead));
    sizeBytes += read.bytesRead;
  }
  return { name, sizeBytes, sha256: hash.digest('hex') };
}
