// One watch: what happened since a revision, then what happens, until its time is up or the client goes.
// Invariant: events come in order of revision, none is lost or told twice. Nothing is kept for a client that reads slowly: it
// is told from the store what it missed, or that it is too late.
import { type ApiObject, type JsonObject, nameOf, namespaceOf } from '../objects/api-object.ts';
import { continueToken, type Place } from '../objects/continue-token.ts';
import { isSelected, listObjects, type Selection } from '../objects/list.ts';
import type { Target } from '../objects/request.ts';
import { groupVersionOf } from '../resources/resource.ts';
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
  send(event: { type: string; object: JsonObject }): void;
  /** Whether the client has so much unread that no more is to be sent. */
  isFull(): boolean;
  /** Resolves once it is not full, or `signal` aborts. */
  drained(signal: AbortSignal): Promise<void>;
  end(): void;
  /** Aborts when the client is gone. */
  signal: AbortSignal;
}

/** How many objects or changes are read from the store at once. */
const batch = 100;

/** Resolves when the watch has ended. Throws StatusError 410 when the revision is forgotten. */
export async function runWatch(store: Store, target: Target, options: WatchOptions, sink: WatchSink): Promise<void> {
  const watch = new Watch(store, target, options, sink);
  const ended = new AbortController();
  const signal = AbortSignal.any([ended.signal, sink.signal]);
  const deadline = setTimeout(() => ended.abort(), options.timeoutMs);
  try {
    if (options.fromRevision === 0 || options.sendInitialEvents) await watch.sendInitial(signal);
    if (!signal.aborted) await watch.follow(signal);
    sink.end();
  } finally {
    clearTimeout(deadline);
  }
}

class Watch {
  readonly #store: Store;
  readonly #target: Target;
  readonly #options: WatchOptions;
  readonly #sink: WatchSink;
  /** Everything up to this revision was told. */
  #seen: number;
  /** Changes are not told as they come, since older ones must be read from the store first. */
  #isBehind = true;

  constructor(store: Store, target: Target, options: WatchOptions, sink: WatchSink) {
    this.#store = store;
    this.#target = target;
    this.#options = options;
    this.#sink = sink;
    this.#seen = options.fromRevision;
  }

  /** The objects as they are at one revision. */
  async sendInitial(signal: AbortSignal): Promise<void> {
    let next: string | undefined;
    do {
      next = this.#sendPage(next);
      await this.#sink.drained(signal); // nothing of the page is kept meanwhile
      if (signal.aborted) return;
    } while (next);
    if (this.#options.sendInitialEvents) this.#sendBookmark({ 'k8s.io/initial-events-end': 'true' });
  }

  /** Sends objects until the client has enough, and says where the others begin. */
  #sendPage(from: string | undefined): string | undefined {
    const page = { ...this.#options, limit: batch, continueToken: from };
    const { items, metadata } = listObjects(this.#store, this.#target, page);
    this.#seen = Number(metadata.resourceVersion);
    for (const object of items) {
      this.#sink.send({ type: 'ADDED', object });
      if (this.#sink.isFull() && object !== items.at(-1)) return continueToken(this.#seen, placeOf(object));
    }
    return metadata.continue;
  }

  /** Until `signal` aborts; then a bookmark tells where the next watch may begin. */
  async follow(signal: AbortSignal): Promise<void> {
    let wake = Promise.withResolvers<void>();
    const fall = () => {
      this.#isBehind = true;
      wake.resolve();
    };
    const stopListening = this.#store.listen((change) => {
      if (this.#isBehind) return;
      if (this.#sink.isFull() || !this.#couldTell(change)) fall();
    });
    const { bookmarks, bookmarkIntervalMs } = this.#options;
    const ticker = bookmarks
      ? setInterval(() => this.#isBehind || this.#sendBookmark(), bookmarkIntervalMs)
      : undefined;
    signal.addEventListener('abort', () => wake.resolve(), { once: true });
    try {
      while (!signal.aborted) {
        await this.#catchUp(signal);
        if (!signal.aborted) await wake.promise;
        wake = Promise.withResolvers();
      }
      if (bookmarks && !this.#sink.signal.aborted && !this.#sink.isFull()) this.#sendBookmark();
    } finally {
      stopListening();
      clearInterval(ticker);
    }
  }

  #sendBookmark(annotations?: Record<string, string>): void {
    const { resource } = this.#target;
    const metadata = {
      resourceVersion: String(this.#seen),
      creationTimestamp: null,
      ...(annotations && { annotations }),
    };
    this.#sink.send({
      type: 'BOOKMARK',
      object: { kind: resource.kind, apiVersion: groupVersionOf(resource), metadata },
    });
  }

  async #catchUp(signal: AbortSignal): Promise<void> {
    while (this.#isBehind) {
      await this.#sink.drained(signal);
      if (signal.aborted) return;
      this.#tellBatch();
    }
  }

  /** Tells what the store has after what was told, until the client has enough. Throws StatusError 410 when that is forgotten. */
  #tellBatch(): void {
    const { compactedRevision } = this.#store;
    if (this.#seen < compactedRevision) {
      throw expired(`too old resource version: ${this.#seen} (${compactedRevision})`);
    }
    const changes = this.#store.changesAfter(this.#seen, this.#target.resource.storage, batch);
    for (const change of changes) {
      this.#tell(change);
      if (this.#sink.isFull()) return;
    }
    if (changes.length === batch) return;
    this.#seen = Math.max(this.#seen, this.#store.revision);
    this.#isBehind = false;
  }

  /** A change that cannot be told is read again, and there its error ends the watch and not the writer's request. */
  #couldTell(change: Change): boolean {
    try {
      if (change.storage === this.#target.resource.storage) this.#tell(change);
      this.#seen = change.revision;
      return true;
    } catch {
      return false;
    }
  }

  #tell(change: Change): void {
    const { resource, namespace } = this.#target;
    const toShown = resource.rules.fromStored ?? ((object: ApiObject) => object);
    const isWanted = (object: ApiObject) => isSelected(this.#options, object);
    const event = eventFor(change, namespace, isWanted, toShown);
    if (event) this.#sink.send(event);
    this.#seen = change.revision;
  }
}

function placeOf(object: ApiObject): Place {
  return { namespace: namespaceOf(object), name: nameOf(object) };
}
