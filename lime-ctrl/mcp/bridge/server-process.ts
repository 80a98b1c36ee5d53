// The process of an MCP server as its machine knows it. Invariant: its id tells whose server it is, so that whichever replica
// is asked ends all processes of a server, also those that other replicas have started.
import { createHash, randomBytes } from 'node:crypto';
import type { Place } from '../machine/guest.ts';
import { listProcesses, noInput, startProcess } from '../machine/processes.ts';
import { followToEnd } from '../machine/run-process.ts';

const deadlineMs = 10_000;
const graceSeconds = 0.2;

/** A fresh one for each process. */
export function serverProcessId(serverName: string): string {
  return `${prefixOf(serverName)}${randomBytes(9).toString('base64url')}`;
}

/** Asks the processes of the server to end, then kills them with all that is in their group. Returns how many ran. */
export async function endServerProcesses(place: Place, serverName: string): Promise<number> {
  const prefix = prefixOf(serverName);
  const own = (await listProcesses(place)).filter(({ id, exited }) => id.startsWith(prefix) && !exited);
  if (own.length === 0) return 0;
  const groups = own.map(({ pid }) => `-${pid}`).join(' ');
  const script = `kill -TERM ${groups}; sleep ${graceSeconds}; kill -KILL ${groups}`;
  const process = { argv: ['/bin/sh', '-c', `{ ${script}; } 2>/dev/null; true`], env: {}, cwd: '/' };
  await followToEnd(startProcess(place, process, noInput(), AbortSignal.timeout(deadlineMs)));
  return own.length;
}

/** Names have characters that are too many for an id. */
function prefixOf(serverName: string): string {
  return `m-${createHash('sha256').update(serverName).digest('base64url').slice(0, 22)}.`;
}
