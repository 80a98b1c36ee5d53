// How blobs and the index of an OCI layout with one image are written.
import { rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileDigest } from '../digest.ts';
import type { Descriptor } from './manifest.ts';

export function blobsFolder(layout: string): string {
  return join(layout, 'blobs/sha256');
}

/** Moves a file of the same file system to where the layout has it. */
export async function addBlob(layout: string, file: string, mediaType: string): Promise<Descriptor> {
  const digest = await fileDigest(file);
  const { size } = await stat(file);
  await rename(file, join(blobsFolder(layout), digest.replace('sha256:', '')));
  return { mediaType, digest, size };
}

/** The image is called `image`. */
export async function writeIndex(layout: string, manifest: Descriptor): Promise<void> {
  const entry = { ...manifest, annotations: { 'org.opencontainers.image.ref.name': 'image' } };
  await writeFile(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
}
