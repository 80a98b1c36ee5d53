// One watch: what happened since a revision, then what happens, until its time is up, the client goes, or is too slow.
// Invariant: events come in order of revision, none is lost or told twice; what cannot be kept ends the watch instead.
import type { ApiObject, JsonObject } from '../objects/api-object.ts';
import { isSelected, listObjects, type Selection } from '../objects/list.ts';
import type { Target } from '../objects/request.ts';
import { expired } from '../status/status-error.ts';
import type { Change } from '../store/change.ts';
import type { Store } from '../store/store.ts';
import { eventFor } from './watch-events.ts';

export interface WatchOptions extends Selection {
  /** 0: first the objects that are there. */
  fromRevision: number;
  bookmarks: boolean;
  /** Ends the initial objects with a bookmark that says so. */
  sendInitialEvents: boolean;
  timeoutMs: number;
  bookmarkIntervalMs: number;
}

/** Where events go. */
export interface WatchSink {
  /** False: the client reads too slowly and is not to be waited for. */
  send(event: { type: string; object: JsonObject }): boolean;
  end(): void;
  /** Aborts when the client is gone. */
  signal: AbortSignal;
}

const replayBatch = 1000;

/** Resolves when the watch has ended. Throws StatusError 410 when the revision is forgotten. */
export async function runWatch(store: Store, target: Target, options: WatchOptions, sink: WatchSink): Promise<void> {
  const { fromRevision } = options;
  if (fromRevision > 0 && fromRevision < store.compactedRevision) {
    throw expired(`too old resource version: ${fromRevision} (${store.compactedRevision})`);
  }
  const watch = new Watch(store, target, options, sink);
  if (fromRevision === 0 || options.sendInitialEvents) watch.sendInitial();
  else watch.replay(fromRevision);
  await watch.follow();
}

class Watch {
  readonly #store: Store;
  readonly #target: Target;
  readonly #options: WatchOptions;
  readonly #sink: WatchSink;
  #seen = 0;
  #isSlow = false;

  constructor(store: Store, target: Target, options: WatchOptions, sink: WatchSink) {
    this.#store = store;
    this.#target = target;
    this.#options = options;
    this.#sink = sink;
  }

  sendInitial(): void {
    const { items, metadata } = listObjects(this.#store, this.#target, this.#options);
    this.#seen = Number(metadata.resourceVersion);
    for (const object of items) this.#send('ADDED', object);
    if (this.#options.sendInitialEvents) this.#bookmark({ 'k8s.io/initial-events-end': 'true' });
  }

  /** All in one turn of the event loop, so nothing happens between the last batch and `follow`. */
  replay(fromRevision: number): void {
    this.#seen = fromRevision;
    for (;;) {
      const changes = this.#store.changesAfter(this.#seen, this.#target.resource.storage, replayBatch);
      for (const change of changes) this.#tell(change);
      if (changes.length < replayBatch || this.#isSlow) break;
    }
    this.#seen = Math.max(this.#seen, this.#store.revision);
  }

  follow(): Promise<void> {
    const { timeoutMs, bookmarks, bookmarkIntervalMs } = this.#options;
    return new Promise((resolve) => {
      const stop = () => {
        stopListening();
        clearTimeout(deadline);
        clearInterval(ticker);
        this.#sink.signal.removeEventListener('abort', stop);
        this.#sink.end();
        resolve();
      };
      const stopListening = this.#store.listen((change) => {
        this.#seen = change.revision;
        if (change.storage === this.#target.resource.storage) this.#tell(change);
        if (this.#isSlow) stop();
      });
      const deadline = setTimeout(() => {
        if (bookmarks) this.#bookmark();
        stop();
      }, timeoutMs);
      const ticker = bookmarks ? setInterval(() => this.#bookmark(), bookmarkIntervalMs) : undefined;
      this.#sink.signal.addEventListener('abort', stop);
      if (this.#sink.signal.aborted || this.#isSlow) stop();
    });
  }

  #tell(change: Change): void {
    this.#seen = change.revision;
    const toShown = this.#target.resource.rules.fromStored ?? ((object: ApiObject) => object);
    const isWanted = (object: ApiObject) => isSelected(this.#options, object);
    const event = eventFor(change, this.#target.namespace, isWanted, toShown);
    if (event) this.#send(event.type, event.object);
  }

  #bookmark(annotations?: Record<string, string>): void {
    const { resource } = this.#target;
    const metadata = {
      resourceVersion: String(this.#seen),
      creationTimestamp: null,
      ...(annotations && { annotations }),
    };
    const apiVersion = resource.group ? `${resource.group}/${resource.version}` : resource.version;
    this.#send('BOOKMARK', { kind: resource.kind, apiVersion, metadata });
  }

  #send(type: string, object: JsonObject): void {
    if (!this.#sink.send({ type, object })) this.#isSlow = true;
  }
}
