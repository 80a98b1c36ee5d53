// umoci reads no zstd: a layout that has such layers gets plain ones in their place, and a manifest that names those.
import { randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createZstdDecompress } from 'node:zlib';
import { addBlob, blobsFolder, writeIndex } from './layout-files.ts';
import type { Descriptor, Manifest } from './manifest.ts';

/** Changes the layout on disk. Its layers have been counted before: none is larger than may be. */
export async function makeLayersPlain(dir: string, manifest: Manifest, signal: AbortSignal): Promise<void> {
  const plain = new Map<string, Descriptor>();
  for (const layer of manifest.layers) {
    if (isZstd(layer) && !plain.has(layer.digest)) plain.set(layer.digest, await plainLayer(dir, layer, signal));
  }
  const layers = manifest.layers.map((layer) => plain.get(layer.digest) ?? layer);
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const file = newBlob(dir);
  await writeFile(file, JSON.stringify({ schemaVersion: 2, mediaType, config: manifest.config, layers }));
  await writeIndex(dir, await addBlob(dir, file, mediaType));
}

export function isZstd({ mediaType }: Descriptor): boolean {
  return mediaType.endsWith('zstd');
}

async function plainLayer(dir: string, { digest, mediaType }: Descriptor, signal: AbortSignal): Promise<Descriptor> {
  const compressed = join(blobsFolder(dir), digest.replace('sha256:', ''));
  const file = newBlob(dir);
  await pipeline(createReadStream(compressed), createZstdDecompress(), createWriteStream(file), { signal });
  await rm(compressed, { force: true });
  return await addBlob(dir, file, mediaType.replace(/[+.]zstd$/, ''));
}

function newBlob(dir: string): string {
  return join(blobsFolder(dir), randomBytes(8).toString('hex'));
}
