// Objects, the history of their changes and one growing revision for all, in SQLite.
// Invariant: a change, its revision and its history are one transaction, and listeners hear of it after the commit.
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { type ApiObject, nameOf, namespaceOf, ownersOf } from '../objects/api-object.ts';
import type { Change, ChangeType, Key } from './change.ts';
import { defaultHistoryLimits, type HistoryLimits, historyBytes, revisionBeyond } from './history.ts';
import { type Page, type PageRequest, readPage, readPageCount } from './pages.ts';

export type Listener = (change: Change) => void;

export class Store {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #listeners = new Set<Listener>();
  readonly #kept: HistoryLimits;
  #revision: number;
  #compacted: number;
  #historyBytes: number;

  /** `kept`: how much can be watched from the past. */
  constructor(database: DatabaseSync, kept: Partial<HistoryLimits> = {}) {
    this.#database = database;
    this.#kept = { ...defaultHistoryLimits, ...kept };
    this.#revision = this.#counter('revision');
    this.#compacted = this.#counter('compacted');
    this.#historyBytes = historyBytes((sql) => this.#prepare(sql));
  }

  /** The newest revision. */
  get revision(): number {
    return this.#revision;
  }

  /** Changes up to this revision are forgotten. */
  get compactedRevision(): number {
    return this.#compacted;
  }

  get(key: Key): ApiObject | undefined {
    const sql = 'SELECT body FROM objects WHERE storage = ? AND namespace = ? AND name = ?';
    return parsed(this.#prepare(sql).get(key.storage, key.namespace, key.name));
  }

  getByUid(uid: string): { storage: string; object: ApiObject } | undefined {
    const row = this.#prepare('SELECT storage, body FROM objects WHERE uid = ?').get(uid);
    return row && { storage: String(row.storage), object: JSON.parse(String(row.body)) };
  }

  /** The objects that name `ownerUid` as an owner. */
  dependentsOf(ownerUid: string): { storage: string; object: ApiObject }[] {
    const sql = 'SELECT storage, body FROM objects WHERE uid IN (SELECT dependent FROM owners WHERE owner = ?)';
    const rows = this.#prepare(sql).all(ownerUid);
    return rows.map((row) => ({ storage: String(row.storage), object: JSON.parse(String(row.body)) }));
  }

  /** Up to `limit` objects of any resource in a namespace. */
  inNamespace(namespace: string, limit: number): { storage: string; object: ApiObject }[] {
    const rows = this.#prepare('SELECT storage, body FROM objects WHERE namespace = ? LIMIT ?').all(namespace, limit);
    return rows.map((row) => ({ storage: String(row.storage), object: JSON.parse(String(row.body)) }));
  }

  /** Objects of one storage in order of namespace and name, as they were at a revision. */
  page(request: PageRequest): Page {
    return readPage((sql) => this.#prepare(sql), request);
  }

  /** How many objects `page` would give without a limit. */
  countPage(request: PageRequest): number {
    return readPageCount((sql) => this.#prepare(sql), request);
  }

  /** The changes after a revision, oldest first, at most `limit`. */
  changesAfter(revision: number, storage: string, limit: number): Change[] {
    const sql = 'SELECT * FROM changes WHERE revision > ? AND storage = ? ORDER BY revision LIMIT ?';
    return this.#prepare(sql)
      .all(revision, storage, limit)
      .map((row) => ({
        type: String(row.type) as ChangeType,
        revision: Number(row.revision),
        storage,
        namespace: String(row.namespace),
        name: String(row.name),
        object: JSON.parse(String(row.body)),
        previous: row.previous === null ? undefined : JSON.parse(String(row.previous)),
      }));
  }

  /** Writes a new object; its resourceVersion is set here. The key must be free. */
  insert(storage: string, object: ApiObject): ApiObject {
    return this.#commit('ADDED', storage, object, undefined);
  }

  /** Replaces `previous`, which must be what is stored. */
  replace(storage: string, object: ApiObject, previous: ApiObject): ApiObject {
    return this.#commit('MODIFIED', storage, object, previous);
  }

  /** Removes `previous`; `last` is what watchers see of it. */
  remove(storage: string, last: ApiObject, previous: ApiObject): ApiObject {
    return this.#commit('DELETED', storage, last, previous);
  }

  /** Calls `listener` after each commit, until the returned function is called. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Forgets changes up to a revision. */
  compact(revision: number): void {
    this.#transaction(() => {
      this.#prepare('DELETE FROM changes WHERE revision <= ?').run(revision);
      this.#prepare("UPDATE counters SET value = ? WHERE name = 'compacted'").run(revision);
    });
    this.#compacted = Math.max(this.#compacted, revision);
    this.#historyBytes = historyBytes((sql) => this.#prepare(sql));
  }

  [Symbol.dispose](): void {
    this.#listeners.clear();
    this.#statements.clear();
    this.#database.close();
  }

  #commit(type: ChangeType, storage: string, object: ApiObject, previous: ApiObject | undefined): ApiObject {
    const revision = this.#revision + 1;
    const stored: ApiObject = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
    const body = JSON.stringify(stored);
    this.#transaction(() => {
      this.#prepare("UPDATE counters SET value = ? WHERE name = 'revision'").run(revision);
      this.#writeObject(type, storage, stored, body, revision);
      this.#writeChange(type, storage, stored, body, revision, previous);
      this.#writeOwners(type, stored, previous);
    });
    this.#revision = revision;
    this.#boundHistory();
    const change = { type, revision, storage, namespace: namespaceOf(stored), name: nameOf(stored), object: stored };
    for (const listener of this.#listeners) listener({ ...change, previous });
    return stored;
  }

  /** Forgets more than it must, so that it is not called for by every change. */
  #boundHistory(): void {
    const { changes, bytes } = this.#kept;
    const oldest = this.#revision - changes;
    if (this.#revision % 1000 === 0 && oldest > this.#compacted) this.compact(oldest);
    if (this.#historyBytes > bytes) this.compact(revisionBeyond((sql) => this.#prepare(sql), bytes / 2));
  }

  #writeObject(type: ChangeType, storage: string, stored: ApiObject, body: string, revision: number): void {
    const key = [storage, namespaceOf(stored), nameOf(stored)] as const;
    if (type === 'DELETED') {
      this.#prepare('DELETE FROM objects WHERE storage = ? AND namespace = ? AND name = ?').run(...key);
    } else if (type === 'MODIFIED') {
      const sql = 'UPDATE objects SET revision = ?, body = ? WHERE storage = ? AND namespace = ? AND name = ?';
      this.#prepare(sql).run(revision, body, ...key);
    } else {
      const sql = 'INSERT INTO objects (storage, namespace, name, uid, revision, body) VALUES (?, ?, ?, ?, ?, ?)';
      this.#prepare(sql).run(...key, stored.metadata.uid ?? '', revision, body);
    }
  }

  #writeChange(
    type: ChangeType,
    storage: string,
    stored: ApiObject,
    body: string,
    revision: number,
    previous: ApiObject | undefined,
  ): void {
    const before = previous ? JSON.stringify(previous) : null;
    this.#historyBytes += Buffer.byteLength(body) + Buffer.byteLength(before ?? '');
    this.#prepare('INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?)').run(
      revision,
      storage,
      namespaceOf(stored),
      nameOf(stored),
      type,
      body,
      before,
    );
  }

  #writeOwners(type: ChangeType, stored: ApiObject, previous: ApiObject | undefined): void {
    const owners = type === 'DELETED' ? [] : ownersOf(stored);
    if (owners.length === 0 && (!previous || ownersOf(previous).length === 0)) return;
    const uid = stored.metadata.uid ?? '';
    this.#prepare('DELETE FROM owners WHERE dependent = ?').run(uid);
    for (const owner of owners) this.#prepare('INSERT OR IGNORE INTO owners VALUES (?, ?)').run(owner.uid, uid);
  }

  #transaction(body: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      body();
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  #counter(name: string): number {
    return Number(this.#prepare('SELECT value FROM counters WHERE name = ?').get(name)?.value);
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

function parsed(row: Record<string, unknown> | undefined): ApiObject | undefined {
  return row && JSON.parse(String(row.body));
}
