// The root filesystems in the cache: files by digest, and references that point to them.
// Invariant: a reference is written after its file is published, so whatever is found is complete.
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import * as z from 'zod';
import type { Cache, Staging } from './cache.ts';
import type { KeptRoot } from './collection-plan.ts';
import type { ImageConfig, RootImage } from './contract.ts';

export const rootFileName = 'root.squashfs';

const recordSchema = z.object({
  reference: z.string(),
  /** What it was made from; another key means that it is out of date. */
  key: z.string(),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  sizeBytes: z.number(),
  createdAtMs: z.number(),
  restricted: z.boolean().default(false),
  config: z.object({
    env: z.record(z.string(), z.string()),
    user: z.string(),
    workdir: z.string(),
    entrypoint: z.array(z.string()),
    cmd: z.array(z.string()),
  }),
});
type StoredRecord = z.infer<typeof recordSchema>;
type RootRecord = StoredRecord & { lastUsedAtMs: number };

export interface NewRoot {
  reference: string;
  key: string;
  digest: string;
  createdAtMs: number;
  /** It was pulled with credentials. */
  restricted?: boolean;
  config: ImageConfig;
}

export interface RootCatalog {
  /** The complete image of that reference and key, or undefined. */
  find(reference: string, key: string): Promise<RootImage | undefined>;
  /** Publishes the staged folder, which holds `root.squashfs`, and points the reference to it. */
  add(root: NewRoot, staging: Staging): Promise<RootImage>;
  list(): Promise<RootImage[]>;
  /** Forgets the reference, and its file unless it is used or another reference has it. `not_found` when unknown. */
  remove(reference: string, used: ReadonlySet<string>): Promise<void>;
  /** The files, with the references to each. */
  roots(): Promise<KeptRoot[]>;
  /** Removes a file with its references unless they were used after `idleSinceMs`. False: it stays. */
  removeRoot(root: KeptRoot, used: ReadonlySet<string>, idleSinceMs: number): Promise<boolean>;
  /** It is used now. Unknown references are fine. */
  touch(reference: string): Promise<void>;
}

export function makeRootCatalog(cache: Cache): RootCatalog {
  const referencesDir = cache.path('images', 'references');
  const rootsDir = cache.path('images', 'roots');
  const rootFolder = (digest: string) => ['images', 'roots', digest.replace(':', '-')];
  const recordPath = (reference: string) => join(referencesDir, `${sha256(reference)}.json`);
  const imageOf = ({ key: _, ...record }: RootRecord): RootImage => ({
    ...record,
    path: cache.path(...rootFolder(record.digest), rootFileName),
  });

  async function complete(record: RootRecord | undefined): Promise<RootImage | undefined> {
    if (!record) return undefined;
    const image = imageOf(record);
    const size = await sizeOf(image.path);
    return size === image.sizeBytes ? image : undefined;
  }

  async function keptRoot(digest: string, all: RootRecord[]): Promise<KeptRoot> {
    const folder = cache.path(...rootFolder(digest));
    const own = all.filter((record) => record.digest === digest);
    const madeAtMs = await stat(folder).then(
      ({ mtimeMs }) => mtimeMs,
      () => Date.now(),
    );
    return {
      digest,
      sizeBytes: (await sizeOf(join(folder, rootFileName))) ?? 0,
      lastUsedAtMs: Math.max(madeAtMs, ...own.map(({ lastUsedAtMs }) => lastUsedAtMs)),
      references: own.map(({ reference }) => reference),
    };
  }

  /** Out of the way first, so that whoever comes in between finds nothing or is seen; what was used meanwhile comes back. */
  async function takeAway(reference: string, digest: string, idleSinceMs: number): Promise<void> {
    const path = recordPath(reference);
    const aside = `${path}.going`;
    if ((await rename(path, aside).catch(codeWhenMissing)) !== undefined) return;
    const record = await readRecord(aside);
    if (record && (record.digest !== digest || record.lastUsedAtMs > idleSinceMs)) await rename(aside, path);
    else await rm(aside);
  }

  /** Under the lock. */
  async function removeRootUnless(digest: string, used: ReadonlySet<string>): Promise<boolean> {
    if (used.has(digest) || (await records()).some((record) => record.digest === digest)) return false;
    await rm(cache.path(...rootFolder(digest)), { recursive: true, force: true });
    return true;
  }

  async function records(): Promise<RootRecord[]> {
    const names = await readdir(referencesDir).catch(emptyWhenMissing);
    const read = await Promise.all(names.filter(isRecordName).map((name) => readRecord(join(referencesDir, name))));
    return read.filter((record) => record !== undefined);
  }

  async function writeRecord(record: StoredRecord): Promise<void> {
    await mkdir(referencesDir, { recursive: true });
    const path = recordPath(record.reference);
    await writeFile(`${path}.new`, JSON.stringify(record, undefined, 2));
    await rename(`${path}.new`, path);
  }

  return {
    async find(reference, key) {
      const record = await readRecord(recordPath(reference));
      return record?.key === key ? await complete(record) : undefined;
    },

    add: (root, staging) =>
      cache.locked('references', undefined, async () => {
        const sizeBytes = (await stat(join(staging.path, rootFileName))).size;
        const published = cache.path(...rootFolder(root.digest));
        // A damaged file of the same digest must give way; publish would keep it.
        const present = await sizeOf(join(published, rootFileName));
        if (present !== sizeBytes) await rm(published, { recursive: true, force: true });
        await cache.publish(staging, ...rootFolder(root.digest));
        await writeRecord({ restricted: false, ...root, sizeBytes });
        const record = await readRecord(recordPath(root.reference));
        if (!record) throw new TvmError('internal', `the record of image ${root.reference} is gone as soon as written`);
        return imageOf(record);
      }),

    async touch(reference) {
      const now = new Date();
      await utimes(recordPath(reference), now, now).catch(unlessMissing);
    },

    async list() {
      const images = await Promise.all((await records()).map(complete));
      return images
        .filter((image) => image !== undefined)
        .sort((a, b) => (a.reference < b.reference ? -1 : Number(a.reference > b.reference)));
    },

    remove: (reference, used) =>
      cache.locked('references', undefined, async () => {
        const all = await records();
        const record = all.find((candidate) => candidate.reference === reference);
        if (!record)
          throw new TvmError('not_found', `no image ${reference} in the cache`, { object: `image/${reference}` });
        await rm(recordPath(reference));
        await removeRootUnless(record.digest, used);
      }),

    async roots() {
      const [all, names] = await Promise.all([records(), readdir(rootsDir).catch(emptyWhenMissing)]);
      const folders = names.filter((name) => /^sha256-[0-9a-f]{64}$/.test(name));
      return await Promise.all(folders.map((name) => keptRoot(name.replace('-', ':'), all)));
    },

    removeRoot: ({ digest, references }, used, idleSinceMs) =>
      cache.locked('references', undefined, async () => {
        for (const reference of references) await takeAway(reference, digest, idleSinceMs);
        return await removeRootUnless(digest, used);
      }),
  };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function isRecordName(name: string): boolean {
  return name.endsWith('.json');
}

/** An unreadable or outdated record counts as none: the image is made again. */
async function readRecord(path: string): Promise<RootRecord | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  try {
    const record = recordSchema.parse(JSON.parse(text || 'null'));
    return { ...record, lastUsedAtMs: Math.round((await stat(path)).mtimeMs) };
  } catch {
    return undefined;
  }
}

function emptyWhenMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') return [];
  throw error;
}

function codeWhenMissing(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return error.code;
  throw error;
}

function unlessMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
