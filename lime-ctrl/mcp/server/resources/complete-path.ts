// Completion of paths: what is in the folder that was typed so far.
import { FileType } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import { listFiles } from '../../machine/files.ts';
import type { Place } from '../../machine/guest.ts';

const maxValues = 100;

/** `typed` is a path with or without its first "/"; so are the answers. */
export async function completePath(place: Place, typed: string): Promise<string[]> {
  const rooted = typed.startsWith('/') ? typed : `/${typed}`;
  const folder = rooted.slice(0, rooted.lastIndexOf('/')) || '/';
  const files = await listFiles(place, folder, 1).catch(() => []);
  return files
    .map(({ path, type }) => (type === FileType.DIRECTORY ? `${path}/` : path))
    .filter((path) => path.startsWith(rooted))
    .slice(0, maxValues)
    .map((path) => (typed.startsWith('/') ? path : path.slice(1)));
}
