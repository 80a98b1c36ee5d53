// The path of a resource request: /api/v1/… or /apis/GROUP/VERSION/…, then namespace, resource, name, subresource.
import type { Registry } from '../resources/registry.ts';
import type { Resource } from '../resources/resource.ts';

export interface ResourcePath {
  resource: Resource;
  namespace: string;
  /** '' for a collection. */
  name: string;
  subresource: string;
}

/** Undefined for a path that is none, or of a resource that the server does not have. */
export function parseResourcePath(registry: Registry, path: string): ResourcePath | undefined {
  const parts = path.split('/').slice(1).map(decoded);
  if (parts.some((part) => part === undefined || part === '')) return undefined;
  const [root, ...rest] = parts as string[];
  if (root === 'api') return parseRest(registry, '', rest[0] ?? '', rest.slice(1));
  if (root === 'apis') return parseRest(registry, rest[0] ?? '', rest[1] ?? '', rest.slice(2));
  return undefined;
}

function parseRest(registry: Registry, group: string, version: string, parts: string[]): ResourcePath | undefined {
  const find = (plural: string | undefined) => registry.find(group, version, plural ?? '');
  if (parts[0] === 'namespaces' && parts.length >= 3) {
    const [, namespace = '', plural, name = '', subresource = '', ...more] = parts;
    const resource = find(plural);
    if (resource?.namespaced) return more.length === 0 ? { resource, namespace, name, subresource } : undefined;
  }
  const [plural, name = '', subresource = '', ...more] = parts;
  const resource = find(plural);
  if (!resource || more.length > 0 || (resource.namespaced && name !== '')) return undefined;
  return { resource, namespace: '', name, subresource };
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined; // a broken escape names nothing
  }
}
