// The only reader of the process environment here: what child programs inherit, where programs are looked for, what the
// node's owner says of images.
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import { pathsFrom } from '@tvm/kit/paths.ts';
import * as z from 'zod';
import { defaultLimits, type OciLimits } from './oci/limits.ts';
import { parseInsecure, parseMirrors, type RegistrySettings } from './oci/registry-settings.ts';

/** Environment for child programs: the caller's (proxies, cargo's folders), with messages in English. */
export const commandEnvironment: Record<string, string | undefined> = { ...process.env, LC_ALL: 'C.UTF-8' };

/** PATH, then where Debian and rustup put programs that a service's PATH may lack. */
export const programFolders: string[] = [
  ...(process.env.PATH ?? '').split(delimiter).filter(Boolean),
  '/usr/sbin',
  '/sbin',
  join(homedir(), '.cargo/bin'),
];

/** The cache of this installation. */
export function cacheFolder(): string {
  return pathsFrom(process.env).cache;
}

export interface ImageSettings {
  limits: OciLimits;
  registries: RegistrySettings;
  /** What root filesystems may take on disk before the least recently used go; 0: no bound. */
  cacheBytes: number;
}

const mib = 1024 * 1024;
const defaultCacheMiB = 20_480;

const settingsSchema = z.object({
  TVM_IMAGE_MAX_MIB: z.coerce
    .number()
    .int()
    .positive()
    .default(defaultLimits.maxUnpackedBytes / mib),
  TVM_IMAGE_CACHE_MIB: z.coerce.number().int().min(0).default(defaultCacheMiB),
  TVM_REGISTRY_MIRRORS: z.string().default(''),
  TVM_INSECURE_REGISTRIES: z.string().default(''),
});

/** Throws `invalid_argument` naming the variable. */
export function readImageSettings(env: Record<string, string | undefined> = process.env): ImageSettings {
  const parsed = settingsSchema.safeParse(env);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new TvmError('invalid_argument', `${issue?.path.join('.')}: ${issue?.message}`);
  }
  const { data } = parsed;
  const maxUnpackedBytes = data.TVM_IMAGE_MAX_MIB * mib;
  const maxDownloadBytes = Math.min(defaultLimits.maxDownloadBytes, maxUnpackedBytes);
  return {
    limits: { ...defaultLimits, maxUnpackedBytes, maxDownloadBytes },
    registries: {
      mirrors: parseMirrors(data.TVM_REGISTRY_MIRRORS),
      insecure: parseInsecure(data.TVM_INSECURE_REGISTRIES),
    },
    cacheBytes: data.TVM_IMAGE_CACHE_MIB * mib,
  };
}
