// An OCI layout on disk to a root folder, with umoci. Invariant: nothing is unpacked whose size and number of files have
// not been counted before.
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { TvmError } from '@tvm/api/errors.ts';
import type { ImageConfig } from '../contract.ts';
import { diskFull, type MakeRoom, requireSpace, saysDiskFull } from '../disk-space.ts';
import { runConfined } from './confined.ts';
import type { OciLimits } from './limits.ts';
import { type Descriptor, type Manifest, parseImageConfig, parseManifest } from './manifest.ts';
import { isZstd, makeLayersPlain } from './plain-layers.ts';
import { type TarTotals, tarScanner } from './tar-scan.ts';

// The root folder, the squashfs that is made of it, and layers that have to be decompressed first.
const copiesOnDisk = 2;
const copiesWithZstd = 3;

export interface Layout {
  dir: string;
  /** Of the manifest. */
  digest: string;
  manifest: Manifest;
  config: ImageConfig;
}

/** Reads the one image of a layout that skopeo wrote. */
export async function readLayout(dir: string): Promise<Layout> {
  const index = JSON.parse(await readFile(join(dir, 'index.json'), 'utf8')) as { manifests: Descriptor[] };
  const [entry] = index.manifests;
  if (!entry) throw new TvmError('data_loss', 'the image layout is empty');
  const parsed = parseManifest(await readFile(blobPath(dir, entry)));
  if (parsed.kind !== 'manifest') throw new TvmError('data_loss', 'the image layout holds an index');
  const config = parseImageConfig(await readFile(blobPath(dir, parsed.manifest.config)));
  return { dir, digest: entry.digest, manifest: parsed.manifest, config };
}

/** Unpacks all layers of the layout in `folder` into its folder `root`, which must not exist. */
export async function unpackLayout(
  layout: Layout,
  folder: string,
  limits: OciLimits,
  makeRoom: MakeRoom,
  signal: AbortSignal,
): Promise<string> {
  const totals = await scanLayers(layout, limits, signal);
  const hasZstd = layout.manifest.layers.some(isZstd);
  await requireSpace(folder, totals.bytes * (hasZstd ? copiesWithZstd : copiesOnDisk), makeRoom);
  if (hasZstd) await makeLayersPlain(layout.dir, layout.manifest, signal);
  const layoutName = relative(folder, layout.dir);
  const result = await runConfined({
    program: 'umoci',
    args: (inside) => ['raw', 'unpack', '--image', `${join(inside, layoutName)}:image`, join(inside, 'root')],
    folder,
    timeoutMs: limits.unpackTimeoutMs,
    signal,
  });
  if (result.exitCode === 0) return join(folder, 'root');
  const words = result.stderr.trim().split('\n').at(-1) ?? '';
  if (saysDiskFull(words)) throw diskFull(words);
  throw new TvmError('data_loss', `the image cannot be unpacked: ${words}`, { reason: 'ImagePullFailed' });
}

async function scanLayers(layout: Layout, limits: OciLimits, signal: AbortSignal): Promise<TarTotals> {
  const totals: TarTotals = { entries: 0, bytes: 0 };
  const bounds = { maxEntries: limits.maxEntries, maxBytes: limits.maxUnpackedBytes };
  for (const layer of layout.manifest.layers) {
    const blob = createReadStream(blobPath(layout.dir, layer));
    const scanner = tarScanner(totals, bounds);
    try {
      await (layer.mediaType.endsWith('gzip')
        ? pipeline(blob, createGunzip(), scanner, { signal })
        : layer.mediaType.endsWith('zstd')
          ? pipeline(blob, createZstdDecompress(), scanner, { signal })
          : pipeline(blob, scanner, { signal }));
    } catch (cause) {
      throw layerError(cause, signal);
    }
  }
  return totals;
}

function layerError(cause: unknown, signal: AbortSignal): TvmError {
  if (cause instanceof TvmError) return cause;
  if (signal.aborted) return new TvmError('canceled', 'reading the layers was canceled', { cause });
  const words = cause instanceof Error ? cause.message : String(cause);
  return new TvmError('data_loss', `a layer of the image cannot be read: ${words}`, {
    cause,
    reason: 'ImagePullFailed',
  });
}

function blobPath(dir: string, { digest }: Descriptor): string {
  return join(dir, 'blobs', digest.replace(':', '/'));
}
