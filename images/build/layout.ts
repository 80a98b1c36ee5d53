// Whatever an image is built from as an OCI layout, so that it goes the way of every pulled image from there on.
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { TvmError } from '@tvm/api/errors.ts';
import type { Progress } from '../contract.ts';
import { addBlob, blobsFolder, writeIndex } from '../oci/layout-files.ts';
import type { OciLimits } from '../oci/limits.ts';
import { runChecked } from '../run-command.ts';
import type { BuildSource } from './source.ts';

export interface LayoutJob {
  source: BuildSource;
  /** Exists; the layout is made in its `layout`. */
  folder: string;
  limits: OciLimits;
  onProgress: Progress;
  signal: AbortSignal;
}

const ociTypes = 'application/vnd.oci.image';

/** Returns the layout's folder, which holds the one image `image`. */
export async function makeLayout(job: LayoutJob): Promise<string> {
  const { source, folder, onProgress } = job;
  const layout = join(folder, 'layout');
  switch (source.kind) {
    case 'layout':
      await copyWithSkopeo(job, `oci:${source.folder}${source.tag === '' ? '' : `:${source.tag}`}`, layout);
      return layout;
    case 'archive':
      await copyWithSkopeo(job, `${source.transport}:${source.file}`, layout);
      return layout;
    case 'context':
      await buildWithBuildah(job, source, layout);
      return layout;
    default:
      onProgress('reading the root filesystem');
      await writeLayout(layout, await layerOf(job, source));
      return layout;
  }
}

async function copyWithSkopeo({ limits, signal, onProgress }: LayoutJob, from: string, layout: string): Promise<void> {
  onProgress('copying the image');
  const platform = ['--override-os', 'linux', '--override-arch', 'amd64'];
  const args = ['--insecure-policy', ...platform, 'copy', from, `oci:${layout}:image`];
  await runChecked({ program: 'skopeo', args, timeoutMs: limits.pullTimeoutMs, signal });
}

async function buildWithBuildah(job: LayoutJob, source: BuildSource & { kind: 'context' }, layout: string) {
  const { folder, limits, signal, onProgress } = job;
  const idFile = join(folder, 'image-id');
  const isolation = ['--isolation', 'chroot', '--platform', 'linux/amd64'];
  const shared = { program: 'buildah', timeoutMs: limits.pullTimeoutMs, signal };
  onProgress('building with buildah');
  const build = ['build', ...isolation, '--iidfile', idFile, '--file', source.file, source.folder];
  await runChecked({ ...shared, args: build, onLine: (line) => /^STEP /.test(line) && onProgress(line) });
  const id = (await readFile(idFile, 'utf8')).trim();
  try {
    await runChecked({ ...shared, args: ['push', id, `oci:${layout}:image`] });
  } finally {
    await runChecked({ ...shared, signal: undefined, args: ['rmi', id] });
  }
}

/** The file of an uncompressed layer. */
async function layerOf({ folder, limits, signal }: LayoutJob, source: BuildSource): Promise<string> {
  const layer = join(folder, 'layer.tar');
  if (source.kind === 'rootFolder') {
    const args = ['--create', '--file', layer, '--numeric-owner', '--xattrs', '--directory', source.folder, '.'];
    await runChecked({ program: 'tar', args, timeoutMs: limits.unpackTimeoutMs, signal });
  } else if (source.kind === 'rootTar') {
    const unpack = { gzip: createGunzip, zstd: createZstdDecompress, none: undefined }[source.compression]?.();
    const bounded = boundedBytes(limits.maxUnpackedBytes);
    const target = createWriteStream(layer);
    const from = createReadStream(source.file);
    await (unpack ? pipeline(from, unpack, bounded, target, { signal }) : pipeline(from, bounded, target, { signal }));
  }
  return layer;
}

function boundedBytes(maxBytes: number): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes <= maxBytes) done(null, chunk);
      else done(new TvmError('resource_exhausted', `the root filesystem is larger than ${maxBytes} bytes`));
    },
  });
}

async function writeLayout(layout: string, layer: string): Promise<void> {
  const blobs = blobsFolder(layout);
  await mkdir(blobs, { recursive: true });
  const layerBlob = await addBlob(layout, layer, `${ociTypes}.layer.v1.tar`);
  const addJson = async (mediaType: string, value: object) => {
    const path = join(blobs, 'new.json');
    await writeFile(path, JSON.stringify(value));
    return await addBlob(layout, path, mediaType);
  };
  const rootfs = { type: 'layers', diff_ids: [layerBlob.digest] };
  const manifest = await addJson(`${ociTypes}.manifest.v1+json`, {
    schemaVersion: 2,
    mediaType: `${ociTypes}.manifest.v1+json`,
    config: await addJson(`${ociTypes}.config.v1+json`, { architecture: 'amd64', os: 'linux', config: {}, rootfs }),
    layers: [layerBlob],
  });
  await writeFile(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  await writeIndex(layout, manifest);
}
