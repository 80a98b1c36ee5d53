// Credentials for registries, from docker's config.json as callers hand it in. Invariant: of a file only names and passwords are
// taken: helpers that it names are programs, and are never run.
import { TvmError } from '@tvm/api/errors.ts';
import * as z from 'zod';
import type { OciReference } from '../reference.ts';

/** What a registry is told. Secret. */
export interface Credential {
  username: string;
  password: string;
  /** An OAuth refresh token in place of the password; empty: none. */
  identityToken: string;
}

const maxTextBytes = 1 << 20;
const entrySchema = z.object({
  auth: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
});
const fileSchema = z.object({ auths: z.record(z.string(), entrySchema) });

/**
 * Those for the reference's registry, the most specific of each file first. Throws `invalid_argument` for a text that is no such
 * file, without quoting it.
 */
export function credentialsFor(reference: OciReference, texts: readonly string[]): Credential[] {
  const name = reference.normalised.replace(/@.*$/, '').replace(/:[^:/]*$/, '');
  return texts.flatMap((text) => {
    const matching = Object.entries(parseFile(text).auths).filter(([key]) => covers(key, name));
    return matching.sort(([a], [b]) => b.length - a.length).map(([, entry]) => credentialOf(entry));
  });
}

/** The file that skopeo reads: one registry, one credential. */
export function authFileText(registry: string, credential: Credential): string {
  const { username, password, identityToken } = credential;
  const auth = Buffer.from(`${username}:${password}`).toString('base64');
  const entry = identityToken === '' ? { auth } : { auth, identitytoken: identityToken };
  return JSON.stringify({ auths: { [registry]: entry } });
}

function parseFile(text: string): z.infer<typeof fileSchema> {
  if (text.length > maxTextBytes) throw unreadable('it is longer than 1 MiB');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw unreadable('it is not JSON');
  }
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success) throw unreadable('it has no "auths" by registry, as in docker’s config.json');
  return parsed.data;
}

function unreadable(why: string): TvmError {
  const message = `credentials for a registry cannot be read: ${why}`;
  return new TvmError('invalid_argument', message, { reason: 'InvalidCredentials' });
}

/** `key`: a registry, with a path or without, a scheme or without; `*` stands for a part of a host's name. */
function covers(key: string, name: string): boolean {
  const [host = '', ...path] = placeOf(key);
  const [registry = '', ...repository] = name.split('/');
  return coversHost(host, registry) && path.every((part, index) => part === repository[index]);
}

function placeOf(key: string): string[] {
  const place = key
    .replace(/^https?:\/\//, '')
    .split('/')
    .filter(Boolean);
  const isApi = place.length === 2 && /^v[12]$/.test(place[1] ?? '');
  const [host = '', ...path] = isApi ? place.slice(0, 1) : place;
  return [/^(index\.)?docker\.io$|^registry-1\.docker\.io$/.test(host) ? 'docker.io' : host, ...path];
}

function coversHost(pattern: string, host: string): boolean {
  const [patterns, parts] = [pattern.split('.'), host.split('.')];
  return patterns.length === parts.length && patterns.every((each, index) => each === '*' || each === parts[index]);
}

function credentialOf({ auth, username, password, identitytoken: identityToken = '' }: z.infer<typeof entrySchema>) {
  if (username !== undefined && password !== undefined) return { username, password, identityToken };
  const decoded = Buffer.from(auth ?? '', 'base64').toString();
  const at = decoded.indexOf(':');
  if (at < 0) throw unreadable('an entry has neither auth nor username and password');
  // Docker pads what it writes with zero bytes.
  return { username: decoded.slice(0, at), password: decoded.slice(at + 1).replace(/\0+$/, ''), identityToken };
}
