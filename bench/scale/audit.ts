// Who asked the API server for what, as its audit log tells. Invariant: each request is counted once, watches when they begin.
import { open } from 'node:fs/promises';

/** `update microvms/status` to how often. */
export type Requests = Record<string, number>;

interface AuditEvent {
  stage: string;
  verb: string;
  objectRef?: { resource?: string; subresource?: string };
  requestURI: string;
}

/** Of one user alone; what is not asked of an object is told by its path. */
export const auditPolicy = (user: string) => ({
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'Metadata', users: [user] }, { level: 'None' }],
});

/** What whole lines of the log count up to. */
export function requestsIn(lines: readonly string[]): Requests {
  const counts: Requests = {};
  for (const line of lines) {
    const { stage, verb, objectRef, requestURI } = JSON.parse(line) as AuditEvent;
    if (stage !== (verb === 'watch' ? 'ResponseStarted' : 'ResponseComplete')) continue;
    const { resource = requestURI.split('?')[0] ?? '', subresource } = objectRef ?? {};
    const name = `${verb} ${resource}${subresource ? `/${subresource}` : ''}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

export interface AuditLog {
  /** What was asked since the last call. */
  next(): Promise<Requests>;
}

export function followAudit(path: string): AuditLog {
  let offset = 0;
  let rest = '';
  return {
    async next() {
      await using file = await open(path);
      const { size } = await file.stat();
      const { buffer, bytesRead } = await file.read(Buffer.alloc(size - offset), 0, size - offset, offset);
      offset += bytesRead;
      const lines = (rest + buffer.toString('utf8', 0, bytesRead)).split('\n');
      rest = lines.pop() ?? '';
      return requestsIn(lines.filter((line) => line !== ''));
    },
  };
}

export function total(requests: Requests): number {
  return Object.values(requests).reduce((sum, count) => sum + count, 0);
}

/** `requests` without what keeps a replica a leader, which goes on whatever else happens. */
export function withoutLeases(requests: Requests): Requests {
  return Object.fromEntries(Object.entries(requests).filter(([name]) => !name.endsWith(' leases')));
}
