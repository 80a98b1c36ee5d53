// What --disk of vvm create means. Throws usage errors (exit code 2).
import type { MicroVmCreate } from '@tvm/api/rest/microvms.ts';
import { usageError } from '../exit-codes.ts';
import { parseMegabytes } from './parse-options.ts';

type Disk = NonNullable<MicroVmCreate['spec']['persistentStorage']>[number];

const hint = 'Write --disk name=data,size=1G,mount=/data[,retain].';

/** "name=data,size=1G,mount=/data" or "…,retain". */
export function parseDisk(text: string): Disk {
  const fields = new Map(text.split(',').map((part) => splitOnce(part)));
  const unknown = [...fields.keys()].find((key) => !['name', 'size', 'mount', 'retain'].includes(key));
  if (unknown !== undefined) throw usageError(`"${unknown}" is nothing that a disk has`, hint);
  const [name, size, mountPath] = ['name', 'size', 'mount'].map((key) => fields.get(key));
  if (!name || !size || !mountPath) throw usageError(`"${text}" is no disk`, hint);
  const retain = fields.get('retain');
  if (retain !== undefined && !['', 'true', 'false'].includes(retain)) throw usageError(`"retain=${retain}"?`, hint);
  return { name, sizeMB: parseMegabytes(size), mountPath, retain: retain !== undefined && retain !== 'false' };
}

function splitOnce(part: string): [string, string] {
  const at = part.indexOf('=');
  return at < 0 ? [part.trim(), ''] : [part.slice(0, at).trim(), part.slice(at + 1).trim()];
}
