// What an image is built from, told by looking at it.
import { type FileHandle, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';

export type BuildSource =
  /** A folder with a Dockerfile or Containerfile. */
  | { kind: 'context'; folder: string; file: string }
  /** `tag`: of one of its images; empty: it has one. */
  | { kind: 'layout'; folder: string; tag: string }
  /** What `docker save` or `skopeo copy … oci-archive:` writes. */
  | { kind: 'archive'; transport: 'docker-archive' | 'oci-archive'; file: string }
  /** A whole root filesystem. */
  | { kind: 'rootFolder'; folder: string }
  | { kind: 'rootTar'; file: string; compression: 'gzip' | 'zstd' | 'none' };

const buildFiles = ['Dockerfile', 'Containerfile'];
const tarBlockBytes = 512;
const magics = { gzip: Buffer.from([0x1f, 0x8b]), zstd: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]) };
/** Top entries by which archives of images differ from those of root filesystems. */
const archiveEntries: Record<string, 'docker-archive' | 'oci-archive'> = {
  'manifest.json': 'docker-archive',
  'oci-layout': 'oci-archive',
};
const maxLookedAt = 10_000;

/** `buildFile`: a Dockerfile elsewhere. Throws `not_found` and `invalid_argument`. */
export async function findSource(path: string, buildFile?: string): Promise<BuildSource> {
  if (buildFile !== undefined) return { kind: 'context', folder: path, file: buildFile };
  const [, folder = '', tag = ''] = (await isThere(path)) ? ['', path] : (/^(.*):([\w.-]+)$/.exec(path) ?? ['', path]);
  if (await isThere(join(folder, 'oci-layout'))) return { kind: 'layout', folder, tag };
  if (!(await isThere(path))) throw new TvmError('not_found', `there is no ${path} to build an image from`);
  if (!(await stat(path)).isDirectory()) return await lookInto(path);
  for (const name of buildFiles) {
    if (await isThere(join(path, name))) return { kind: 'context', folder: path, file: join(path, name) };
  }
  return { kind: 'rootFolder', folder: path };
}

async function lookInto(file: string): Promise<BuildSource> {
  await using handle = await open(file);
  const start = await readAt(handle, 0, 4);
  if (start.subarray(0, 2).equals(magics.gzip)) return { kind: 'rootTar', file, compression: 'gzip' };
  if (start.equals(magics.zstd)) return { kind: 'rootTar', file, compression: 'zstd' };
  let at = 0;
  for (let entry = 0; entry < maxLookedAt; entry += 1) {
    const header = await readAt(handle, at, tarBlockBytes);
    if (header.length < tarBlockBytes || header[0] === 0) break;
    if (header.toString('latin1', 257, 262) !== 'ustar') break;
    const transport = archiveEntries[header.toString('latin1', 0, 100).replace(/\0.*$/s, '').replace(/^\.\//, '')];
    if (transport) return { kind: 'archive', transport, file };
    const size = Number.parseInt(header.toString('latin1', 124, 135), 8);
    if (!Number.isSafeInteger(size)) break;
    at += tarBlockBytes + Math.ceil(size / tarBlockBytes) * tarBlockBytes;
  }
  if (at === 0) throw new TvmError('invalid_argument', `${file} is no tar archive`);
  return { kind: 'rootTar', file, compression: 'none' };
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return false;
      throw error;
    },
  );
}
