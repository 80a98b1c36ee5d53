// Paths that are secrets themselves: URLs that work without a token. Invariant: whatever tells of a request elsewhere than to
// its caller (logs, traces, metrics) tells its path in this form.

const secretPath = /^\/(ports|transfers)\/[^/?]+/;

/** The path without what makes it a secret; a query is no part of it. */
export function loggablePath(path: string): string {
  return path.replace(secretPath, '/$1/[sealed]').replace(/\?.*$/s, '');
}
