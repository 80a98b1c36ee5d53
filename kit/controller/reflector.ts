// A local copy of the objects of one kind: list, then watch from there, over and over.
// Invariants: every change of the copy is told once, in order; a watch that breaks is resumed from the last version seen
// (bookmarks move it on); a version that expired means a new list whose differences are told.
import { TvmError } from '@tvm/api/errors.ts';
import { backoffMs } from '../backoff.ts';
import type { Clock } from '../clock.ts';
import { type ApiObject, type KubeClient, keyOf, type Resource } from '../kube/client.ts';
import { isExpired } from '../kube/status-error.ts';
import type { Logger } from '../log.ts';

const pageSize = 500;
const backoff = { baseMs: 200, maxMs: 30_000 };
const watchSeconds = 300;

/** What happened to the object of a key; `object` is undefined when it is gone. */
export interface Change<T> {
  key: string;
  object: T | undefined;
  previous: T | undefined;
}

export interface Reflector<T> {
  get(key: string): T | undefined;
  list(): T[];
  /** Whether the first list is in. */
  readonly synced: boolean;
  /** Why it cannot list or watch, when that needs somebody's help or nothing was listed yet; undefined: all is well. */
  readonly trouble: string | undefined;
  /** Called for each change from now on; returns the way to stop. */
  subscribe(listener: (change: Change<T>) => void): () => void;
  /** Takes what a write answered as the object, so that the next look sees it; what is gone or newer stays so. */
  learn(object: T): void;
  /** Resolves with the first list. */
  whenSynced: Promise<void>;
  /** Lists and watches until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export interface ReflectorDeps<T extends ApiObject> {
  client: KubeClient;
  resource: Resource<T>;
  namespace?: string;
  /** Makes of an object what listeners can rely on; it must not throw. */
  parse?: (object: T) => T;
  clock: Clock;
  log: Logger;
  random?: () => number;
}

export function makeReflector<T extends ApiObject>(deps: ReflectorDeps<T>): Reflector<T> {
  const { client, resource, namespace, parse = (object: T) => object, clock, log, random = Math.random } = deps;
  const objects = new Map<string, T>();
  const listeners = new Set<(change: Change<T>) => void>();
  const first = Promise.withResolvers<void>();
  let synced = false;
  let trouble: string | undefined;
  /** Empty: a list is needed. */
  let version = '';

  function set(key: string, found: T | undefined): void {
    const previous = objects.get(key);
    if (!found && !previous) return;
    if (found && found.metadata.resourceVersion === previous?.metadata.resourceVersion) return;
    const object = found && parse(found);
    if (object) objects.set(key, object);
    else objects.delete(key);
    for (const listener of listeners) listener({ key, object, previous });
  }

  /** Unless it is older than what is known by an answer to a write. */
  function setNewer(key: string, object: T): void {
    const known = objects.get(key);
    if (!known || isNewer(object, known)) set(key, object);
  }

  async function relist(): Promise<void> {
    const listed = new Map<string, T>();
    let next: string | undefined;
    let listVersion = '';
    do {
      const page = await client.list(resource, { namespace, limit: pageSize, continue: next });
      for (const object of page.items) listed.set(keyOf(object), object);
      next = page.continue;
      listVersion = page.resourceVersion;
    } while (next);
    for (const key of [...objects.keys()]) if (!listed.has(key)) set(key, undefined);
    for (const [key, object] of listed) set(key, object);
    version = listVersion;
    synced = true;
    trouble = undefined;
    first.resolve();
  }

  async function follow(signal: AbortSignal, onAlive: () => void): Promise<void> {
    const timeoutSeconds = Math.round(watchSeconds * (1 + random()));
    for await (const event of client.watch(resource, { namespace, resourceVersion: version, timeoutSeconds, signal })) {
      onAlive();
      if (event.type === 'BOOKMARK') {
        version = event.resourceVersion;
        continue;
      }
      if (event.type === 'DELETED') set(keyOf(event.object), undefined);
      else setNewer(keyOf(event.object), event.object);
      version = event.object.metadata.resourceVersion ?? version;
    }
  }

  async function run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const beganMs = clock.now();
      try {
        if (version === '') await relist();
        await follow(signal, () => {
          failures = 0;
          trouble = undefined;
        });
        // A server that ends watches at once must not be asked in a busy loop.
        if (clock.now() - beganMs < 1000) throw new TvmError('unavailable', 'the watch ended at once');
      } catch (error) {
        if (signal.aborted) return;
        if (isExpired(error)) version = '';
        failures += 1;
        trouble = troubleIn(TvmError.from(error), resource, synced);
        const delayMs = backoffMs(backoff, failures, random);
        log.warn({ why: TvmError.from(error).message, kind: resource.kind, delayMs }, 'watch broke, will resume');
        await clock.sleep(delayMs, signal);
      }
    }
  }

  return {
    get: (key) => objects.get(key),
    list: () => [...objects.values()],
    get synced() {
      return synced;
    },
    get trouble() {
      return trouble;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    learn(object) {
      const known = objects.get(keyOf(object));
      if (known && known.metadata.uid === object.metadata.uid) setNewer(keyOf(object), object);
    },
    whenSynced: first.promise,
    run,
  };
}

/** A connection that breaks now and then is none. */
function troubleIn({ code, message }: TvmError, resource: Resource<ApiObject>, synced: boolean): string | undefined {
  const what = `${resource.plural} of ${resource.apiVersion}`;
  if (code === 'not_found') return `the API server does not know ${what}: apply deploy/crds/ (${message})`;
  if (code === 'permission_denied') return `${what} may not be read: apply the roles in deploy/ (${message})`;
  if (code === 'unauthenticated') return `the API server does not know who asks: ${message}`;
  return synced ? undefined : `${what} cannot be listed: ${message}`;
}

/** Versions of one kind are numbers that grow. */
function isNewer(object: ApiObject, previous: ApiObject): boolean {
  const [next, last] = [object.metadata.resourceVersion ?? '', previous.metadata.resourceVersion ?? ''];
  return next.length === last.length ? next > last : next.length > last.length;
}
