// The root filesystems in the cache: files by digest, and references that point to them.
// Invariant: a reference is written after its file is published, so whatever is found is complete.
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import * as z from 'zod';
import type { Cache, Staging } from './cache.ts';
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
  remove(reference: string): Promise<void>;
  /** It is used now. Unknown references are fine. */
  touch(reference: string): Promise<void>;
}

export function makeRootCatalog(cache: Cache): RootCatalog {
  const referencesDir = cache.path('images', 'references');
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

  async function records(): Promise<RootRecord[]> {
    const names = await readdir(referencesDir).catch(() => []);
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

    remove: (reference) =>
      cache.locked('references', undefined, async () => {
        const all = await records();
        const record = all.find((candidate) => candidate.reference === reference);
        if (!record)
          throw new TvmError('not_found', `no image ${reference} in the cache`, { object: `image/${reference}` });
        await rm(recordPath(reference));
        const shared = all.some(({ digest, reference: other }) => digest === record.digest && other !== reference);
        if (!shared) await rm(cache.path(...rootFolder(record.digest)), { recursive: true, force: true });
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
