// Files of a guest as REST shows them.
import { type FileInfo, FileType } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import type { FileView } from '@tvm/api/rest/microvms.ts';

const typeNames: Partial<Record<FileType, FileView['type']>> = {
  [FileType.REGULAR]: 'file',
  [FileType.DIRECTORY]: 'directory',
  [FileType.SYMLINK]: 'symlink',
};

export function fileViewOf({ path, type, size, mode, uid, gid, mtimeNs, linkTarget }: FileInfo): FileView {
  return {
    path,
    type: typeNames[type] ?? 'other',
    size: Number(size),
    mode,
    uid,
    gid,
    mtimeMs: Number(mtimeNs / 1000n) / 1000,
    ...(linkTarget !== '' && { linkTarget }),
  };
}
