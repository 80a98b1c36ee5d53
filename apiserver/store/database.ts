// The SQLite file: its tables and how it is opened. What a committed statement wrote survives the end of the process.
import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { TvmError } from '@tvm/api/errors.ts';

const schema = `
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO counters VALUES ('revision', 1), ('compacted', 0);

CREATE TABLE IF NOT EXISTS objects (
  id INTEGER PRIMARY KEY,
  storage TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  uid TEXT NOT NULL,
  revision INTEGER NOT NULL,
  body TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS objects_key ON objects (storage, namespace, name);
CREATE UNIQUE INDEX IF NOT EXISTS objects_uid ON objects (uid);
CREATE INDEX IF NOT EXISTS objects_namespace ON objects (namespace);

CREATE TABLE IF NOT EXISTS changes (
  revision INTEGER PRIMARY KEY,
  storage TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  body TEXT NOT NULL,
  previous TEXT
);
CREATE INDEX IF NOT EXISTS changes_key ON changes (storage, namespace, name, revision);

CREATE TABLE IF NOT EXISTS owners (
  owner TEXT NOT NULL,
  dependent TEXT NOT NULL,
  PRIMARY KEY (owner, dependent)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS owners_dependent ON owners (dependent);
`;

/** The journal may grow beyond in one transaction, and is cut to it after. */
const maximumJournalBytes = 16 * 1024 * 1024;

/** For a process that is ending to let go of the file. */
const defaultBusyTimeoutMs = 2_000;
const busyCode = 5;

/**
 * Opens or creates the database at `path` (mode 0600; `:memory:` for tests) for this process alone. Throws TvmError
 * `failed_precondition` when another process has it.
 */
export function openDatabase(path: string, busyTimeoutMs = defaultBusyTimeoutMs): DatabaseSync {
  if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600)); // SQLite gives its other files the same mode
  const database = new DatabaseSync(path);
  try {
    database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}; PRAGMA locking_mode = EXCLUSIVE`);
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
    database.exec(`PRAGMA journal_size_limit = ${maximumJournalBytes}`);
    database.exec(schema);
  } catch (cause) {
    database.close();
    if (!(cause instanceof Error && 'errcode' in cause && cause.errcode === busyCode)) throw cause;
    const hint = 'end it, or choose another TVM_HOME';
    throw new TvmError('failed_precondition', `${path} is in use by another API server`, { cause, hint });
  }
  return database;
}
