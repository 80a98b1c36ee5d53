// How much history of changes is kept: so many changes, and so many bytes of them, whichever is less.
import type { StatementSync } from 'node:sqlite';

export interface HistoryLimits {
  changes: number;
  bytes: number;
}

export const defaultHistoryLimits: HistoryLimits = { changes: 20_000, bytes: 128 * 1024 * 1024 };

const size = "length(CAST(body AS BLOB)) + length(CAST(coalesce(previous, '') AS BLOB))";

type Prepare = (sql: string) => StatementSync;

/** The bytes of all changes that are kept. */
export function historyBytes(prepare: Prepare): number {
  return Number(prepare(`SELECT coalesce(sum(${size}), 0) AS total FROM changes`).get()?.total);
}

/** The newest revision to forget, so that the changes after it have at most `bytes`; 0 when there is none. */
export function revisionBeyond(prepare: Prepare, bytes: number): number {
  const totals = `SELECT revision, sum(${size}) OVER (ORDER BY revision DESC) AS total FROM changes`;
  return Number(
    prepare(`SELECT coalesce(max(revision), 0) AS revision FROM (${totals}) WHERE total > ?`).get(bytes)?.revision,
  );
}
