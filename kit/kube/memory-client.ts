// A Kubernetes API in memory for tests: versions, conflicts, generations, the status subresource, finalizers, watches.
// Invariant: what it does here a real API server does too; the conformance suite runs against both.
import { randomUUID } from 'node:crypto';
import { TvmError } from '@tvm/api/errors.ts';
import type { ApiObject, KubeClient, ListOptions, Resource, WatchEvent, WatchOptions } from './client.ts';

interface LogEntry {
  resource: string;
  version: number;
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  object: ApiObject;
}

type Loose = ApiObject & { spec?: unknown; status?: unknown };

export interface MemoryKube extends KubeClient {
  /** Every write so far, as "verb Kind namespace/name". */
  writes: string[];
  /** Forgets the history, so that watches from before get 410. */
  compact(): void;
}

export function makeMemoryKube(now: () => number = Date.now): MemoryKube {
  const objects = new Map<string, Loose>();
  const writes: string[] = [];
  let log: LogEntry[] = [];
  let version = 0;
  let oldest = 0;
  let wake = Promise.withResolvers<void>();

  const keyFor = (resource: Resource<ApiObject>, namespace: string, name: string) =>
    `${resource.plural}/${resource.namespaced ? namespace : ''}/${name}`;

  function commit(resource: Resource<ApiObject>, type: LogEntry['type'], object: Loose): Loose {
    version += 1;
    const stored: Loose = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
    const key = keyFor(resource, stored.metadata.namespace ?? '', stored.metadata.name);
    if (type === 'DELETED') objects.delete(key);
    else objects.set(key, stored);
    log.push({ resource: resource.plural, version, type, object: stored });
    wake.resolve();
    wake = Promise.withResolvers<void>();
    return stored;
  }

  function find(resource: Resource<ApiObject>, namespace: string, name: string): Loose {
    const found = objects.get(keyFor(resource, namespace, name));
    if (found) return found;
    throw new TvmError('not_found', `${resource.plural} "${name}" not found`, { reason: 'NotFound' });
  }

  function replace(resource: Resource<ApiObject>, next: Loose, current: Loose): Loose {
    const sent = next.metadata.resourceVersion;
    if (sent !== undefined && sent !== current.metadata.resourceVersion) {
      throw new TvmError('aborted', `${resource.plural} "${next.metadata.name}": the object has been modified`, {
        reason: 'Conflict',
      });
    }
    if (
      same(
        { ...next, metadata: { ...next.metadata, resourceVersion: '' } },
        { ...current, metadata: { ...current.metadata, resourceVersion: '' } },
      )
    ) {
      return current;
    }
    const gone = current.metadata.deletionTimestamp && !next.metadata.finalizers?.length;
    return commit(resource, gone ? 'DELETED' : 'MODIFIED', next);
  }

  function withServerFields(next: Loose, current: Loose): Loose {
    const { uid, creationTimestamp, deletionTimestamp, generation = 1, namespace } = current.metadata;
    const changed = !same(next.spec, current.spec);
    const metadata = {
      ...next.metadata,
      uid,
      creationTimestamp,
      namespace,
      generation: changed ? generation + 1 : generation,
    };
    return {
      ...next,
      metadata: { ...metadata, ...(deletionTimestamp && { deletionTimestamp }) },
      status: current.status,
    };
  }

  const kube: MemoryKube = {
    writes,
    compact: () => {
      log = [];
      oldest = version;
    },
    get: async (resource, namespace, name) => copy(find(resource, namespace, name)) as never,
    list: async (resource, options = {}) => {
      const items = [...objects]
        .filter(([key]) =>
          key.startsWith(`${resource.plural}/${options.namespace === undefined ? '' : `${options.namespace}/`}`),
        )
        .map(([, object]) => copy(object))
        .filter((object) => matches(object, options));
      return { items: items as never[], resourceVersion: String(version) };
    },
    watch: (resource, options) => watch(resource, options) as never,
    create: async (resource, object) => {
      const name = object.metadata.name || `${object.metadata.generateName}${randomUUID().slice(0, 5)}`;
      writes.push(`create ${resource.kind} ${object.metadata.namespace ?? ''}/${name}`);
      if (objects.has(keyFor(resource, object.metadata.namespace ?? '', name))) {
        throw new TvmError('already_exists', `${resource.plural} "${name}" already exists`, {
          reason: 'AlreadyExists',
        });
      }
      const metadata = {
        ...object.metadata,
        name,
        uid: randomUUID(),
        generation: 1,
        creationTimestamp: new Date(now()).toISOString(),
      };
      return copy(commit(resource, 'ADDED', { ...copy(object), metadata })) as never;
    },
    update: async (resource, object) => {
      const { namespace = '', name } = object.metadata;
      writes.push(`update ${resource.kind} ${namespace}/${name}`);
      const current = find(resource, namespace, name);
      return copy(replace(resource, withServerFields(copy(object), current), current)) as never;
    },
    updateStatus: async (resource, object) => {
      const { namespace = '', name, resourceVersion } = object.metadata;
      writes.push(`updateStatus ${resource.kind} ${namespace}/${name}`);
      const current = find(resource, namespace, name);
      const metadata = { ...current.metadata, resourceVersion };
      const next = { ...current, metadata, status: copy((object as Loose).status) } as Loose;
      return copy(replace(resource, next, current)) as never;
    },
    patch: async (resource, namespace, name, patch) => {
      writes.push(`patch ${resource.kind} ${namespace}/${name}`);
      const current = find(resource, namespace, name);
      const next = merged(current, patch) as Loose;
      return copy(replace(resource, withServerFields(next, current), current)) as never;
    },
    delete: async (resource, namespace, name, preconditions) => {
      writes.push(`delete ${resource.kind} ${namespace}/${name}`);
      const current = find(resource, namespace, name);
      if (preconditions?.uid && preconditions.uid !== current.metadata.uid) {
        throw new TvmError('aborted', `${resource.plural} "${name}": the uid is another`, { reason: 'Conflict' });
      }
      if (!current.metadata.finalizers?.length) commit(resource, 'DELETED', current);
      else if (!current.metadata.deletionTimestamp) {
        const deletionTimestamp = new Date(now()).toISOString();
        commit(resource, 'MODIFIED', { ...current, metadata: { ...current.metadata, deletionTimestamp } });
      }
    },
  };

  async function* watch(resource: Resource<ApiObject>, options: WatchOptions): AsyncIterable<WatchEvent<ApiObject>> {
    let seen = Number(options.resourceVersion);
    const stopped = new Promise<void>((resolve) => options.signal.addEventListener('abort', () => resolve()));
    while (!options.signal.aborted) {
      if (seen < oldest) throw new TvmError('failed_precondition', 'too old resource version', { reason: 'Expired' });
      const waiting = wake.promise;
      for (const entry of log.filter((each) => each.version > seen && each.resource === resource.plural)) {
        seen = entry.version;
        if (options.namespace && entry.object.metadata.namespace !== options.namespace) continue;
        yield { type: entry.type, object: copy(entry.object) };
      }
      await Promise.race([waiting, stopped]);
    }
  }
  return kube;
}

function matches(object: ApiObject, { labelSelector }: ListOptions): boolean {
  const wanted = labelSelector?.split(',').map((pair) => pair.split('=')) ?? [];
  return wanted.every(([key = '', value]) => object.metadata.labels?.[key] === value);
}

function merged(target: unknown, patch: unknown): unknown {
  if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> = { ...(target as Record<string, unknown> | undefined) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merged(result[key], value);
  }
  return result;
}

function copy<T>(value: T): T {
  return structuredClone(value);
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
