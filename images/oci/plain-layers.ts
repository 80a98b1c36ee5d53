// umoci reads no zstd: a layout that has such layers gets plain ones in their place, and a manifest that names those.
import { randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createZstdDecompress } from 'node:zlib';
import { fileDigest } from '../digest.ts';
import type { Descriptor, Manifest } from './manifest.ts';

/** Changes the layout on disk. Its layers have been counted before: none is larger than may be. */
export async function makeLayersPlain(dir: string, manifest: Manifest, signal: AbortSignal): Promise<void> {
  const blobs = join(dir, 'blobs/sha256');
  const plain = new Map<string, Descriptor>();
  for (const layer of manifest.layers) {
    if (isZstd(layer) && !plain.has(layer.digest)) plain.set(layer.digest, await plainLayer(blobs, layer, signal));
  }
  const layers = manifest.layers.map((layer) => plain.get(layer.digest) ?? layer);
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const file = join(blobs, randomBytes(8).toString('hex'));
  await writeFile(file, JSON.stringify({ schemaVersion: 2, mediaType, config: manifest.config, layers }));
  const annotations = { 'org.opencontainers.image.ref.name': 'image' };
  const entry = { ...(await asBlob(blobs, file, mediaType)), annotations };
  await writeFile(join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
}

export function isZstd({ mediaType }: Descriptor): boolean {
  return mediaType.endsWith('zstd');
}

async function plainLayer(blobs: string, { digest, mediaType }: Descriptor, signal: AbortSignal): Promise<Descriptor> {
  const compressed = join(blobs, digest.replace('sha256:', ''));
  const file = join(blobs, randomBytes(8).toString('hex'));
  await pipeline(createReadStream(compressed), createZstdDecompress(), createWriteStream(file), { signal });
  await rm(compressed, { force: true });
  return await asBlob(blobs, file, mediaType.replace(/[+.]zstd$/, ''));
}

async function asBlob(blobs: string, file: string, mediaType: string): Promise<Descriptor> {
  const digest = await fileDigest(file);
  const { size } = await stat(file);
  await rename(file, join(blobs, digest.replace('sha256:', '')));
  return { mediaType, digest, size };
}
