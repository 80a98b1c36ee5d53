// A page of a list as it was at one revision: current objects not changed since, and for those changed since, what the
// first change after the revision replaced.
import type { SQLInputValue, StatementSync } from 'node:sqlite';
import type { ApiObject } from '../objects/api-object.ts';

export interface PageRequest {
  storage: string;
  /** Absent: all namespaces. */
  namespace?: string | undefined;
  /** The revision at which to read; must not be older than the history that is kept. */
  revision: number;
  /** Only objects after this place. */
  after?: { namespace: string; name: string } | undefined;
  /** At most this many; absent: all. */
  limit?: number | undefined;
}

export interface Page {
  objects: ApiObject[];
  /** Whether objects follow. */
  more: boolean;
}

/** Reads one page. */
export function readPage(prepare: (sql: string) => StatementSync, request: PageRequest): Page {
  const { limit = -1 } = request;
  const { sql, values } = pageQuery(request);
  const rows = prepare(`${sql} ORDER BY namespace, name LIMIT ?`).all(...values, limit < 0 ? -1 : limit + 1);
  const more = limit >= 0 && rows.length > limit;
  const objects = (more ? rows.slice(0, limit) : rows).map((row) => JSON.parse(String(row.body)) as ApiObject);
  return { objects, more };
}

/** Counts what a page without a limit would hold. */
export function readPageCount(prepare: (sql: string) => StatementSync, request: PageRequest): number {
  const { sql, values } = pageQuery(request);
  return Number(prepare(`SELECT count(*) AS n FROM (${sql})`).get(...values)?.n);
}

function pageQuery({ storage, namespace, revision, after }: PageRequest) {
  const place = namespace === undefined ? '' : ' AND namespace = ?';
  const placeValues = namespace === undefined ? [] : [namespace];
  const start = after ? ' AND (namespace, name) > (?, ?)' : '';
  const startValues = after ? [after.namespace, after.name] : [];
  const unchanged = `SELECT namespace, name, body FROM objects WHERE storage = ? AND revision <= ?${place}${start}`;
  const changed = `SELECT namespace, name, previous AS body FROM changes AS c
    WHERE storage = ? AND revision > ? AND previous IS NOT NULL${place}${start}
    AND NOT EXISTS (SELECT 1 FROM changes AS e WHERE e.storage = c.storage AND e.namespace = c.namespace
      AND e.name = c.name AND e.revision > ? AND e.revision < c.revision)`;
  const scope = [...placeValues, ...startValues];
  const values: SQLInputValue[] = [storage, revision, ...scope, storage, revision, ...scope, revision];
  return { sql: `${unchanged} UNION ALL ${changed}`, values };
}
