// The only reader of the process environment here: what child programs inherit and where programs are looked for.
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathsFrom } from '@tvm/kit/paths.ts';

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
