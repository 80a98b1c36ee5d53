// Files of the machine as tools show them, and what tools are given of them.
import type { FileInfo } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import { z } from 'zod';
import { typeNameOf } from '../machine/files.ts';

export const absolutePath = z
  .string()
  .min(1)
  .max(4_096)
  .regex(/^\/[^\0]*$/, 'must be absolute, such as /root/notes.txt')
  .describe('Absolute path in the machine.');

export const fileView = z.object({
  path: z.string(),
  type: z.enum(['file', 'directory', 'symlink', 'other']),
  size: z.int(),
  mode: z.string().describe('Permission bits in octal, such as "0644".'),
  uid: z.int(),
  gid: z.int(),
  modified_at: z.string(),
  link_target: z.string().optional(),
});
export type FileView = z.infer<typeof fileView>;

export function fileViewOf(info: FileInfo): FileView {
  const { path, size, mode, uid, gid, mtimeNs, linkTarget } = info;
  return {
    path,
    type: typeNameOf(info),
    size: Number(size),
    mode: (mode & 0o7777).toString(8).padStart(4, '0'),
    uid,
    gid,
    modified_at: timeOf(mtimeNs),
    ...(linkTarget !== '' && { link_target: linkTarget }),
  };
}

/** A machine may say anything of its times. */
function timeOf(ns: bigint): string {
  const ms = Number(ns / 1_000_000n);
  return new Date(Math.abs(ms) <= 8.64e15 ? ms : 0).toISOString();
}
