// Image references. Invariant: a string that parsed consists of the reference grammar's characters alone and never starts with
// `-`, so it may stand on a command line.
import { TvmError } from '@tvm/api/errors.ts';
import { debianImages } from './debian/definitions.ts';

export interface OciReference {
  kind: 'oci';
  /** `docker.io/library/ubuntu:20.04`, `localhost:5000/x@sha256:…`. */
  normalised: string;
  /** `docker.io`, `localhost:5000`. */
  registry: string;
}

export interface DefaultReference {
  kind: 'default';
  normalised: string;
}

export type Reference = OciReference | DefaultReference;

// The grammar of github.com/distribution/reference.
const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const host = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const domain = `(?:${host}(?:\\.${host})*|\\[[0-9a-fA-F:]+\\])(?::[0-9]+)?`;
const grammar = new RegExp(
  `^(?:(${domain})/)?(${component}(?:/${component})*)(?::([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$`,
);
const maxLength = 512;
/** In the place of a registry: images that were built on this host. */
export const builtHere = 'localhost';

/**
 * Reads a reference as docker does: no registry means docker.io, no namespace there means `library/`, no tag means `latest`; a
 * digest wins over a tag. `tvm/…` names the default images. Throws `invalid_argument`.
 */
export function parseReference(text: string): Reference {
  if (text.startsWith('tvm/')) return parseDefault(text);
  const parts = text.length <= maxLength ? splitReference(text) : undefined;
  if (!parts)
    throw invalid(text, 'it is not an OCI image reference such as ubuntu:20.04 or ghcr.io/owner/name@sha256:…');
  const { registry, path, tag, digest } = parts;
  const repository = registry === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
  const suffix = digest ? `@${digest}` : `:${tag ?? 'latest'}`;
  return { kind: 'oci', registry, normalised: `${registry}/${repository}${suffix}` };
}

function splitReference(text: string) {
  // The grammar alone cannot tell `owner/name` from `host/name`: a host has a dot, a port, capitals or is localhost.
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(slash, 0));
  const hasRegistry = slash > 0 && (/[.:A-Z[]/.test(first) || first === 'localhost');
  const match = grammar.exec(hasRegistry ? text : `docker.io/${text}`);
  // A host that is none, as one with an underscore, would count as a part of the path.
  if (!match?.[1]) return undefined;
  const [, registry, path = '', tag, digest] = match;
  return { registry: registry === 'index.docker.io' ? 'docker.io' : registry, path, tag, digest };
}

function parseDefault(text: string): DefaultReference {
  const names = debianImages.map(({ reference }) => reference);
  const normalised = text.replace(/:latest$/, '');
  if (!names.includes(normalised)) throw invalid(text, `the default images are ${names.join(' and ')}`);
  return { kind: 'default', normalised };
}

function invalid(text: string, why: string): TvmError {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  return new TvmError('invalid_argument', `image ${JSON.stringify(shown)}: ${why}`, {
    reason: 'InvalidImageReference',
  });
}
