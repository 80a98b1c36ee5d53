// Whether the service can listen where it should, before anything is started; and who is in the way.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { TvmError } from '@tvm/api/errors.ts';
import { parseListenAddress } from '@tvm/kit/listen.ts';
import type { Config } from '../config.ts';

export interface ListenSetting {
  /** The environment variable that sets it. */
  variable: string;
  address: string;
}

export function listenSettings(listen: Config['listen']): ListenSetting[] {
  return [
    { variable: 'TVM_APISERVER_LISTEN', address: listen.apiserver },
    { variable: 'TVM_LIME_LISTEN', address: listen.lime },
    { variable: 'TVM_METRICS_LISTEN', address: listen.metrics },
    { variable: 'TVM_HEALTH_LISTEN', address: listen.health },
  ];
}

/** Throws TvmError unavailable that names the port, its holder and the variable to set. */
export async function checkPortFree({ variable, address }: ListenSetting): Promise<void> {
  const parsed = parseListenAddress(address);
  if ('path' in parsed || parsed.port === 0) return;
  const code = await tryListen(parsed);
  if (code === undefined) return;
  const holder = code === 'EADDRINUSE' ? holderOfPort(parsed.port) : undefined;
  const why = code === 'EADDRINUSE' ? `is taken${holder ? ` by ${holder}` : ''}` : `cannot be listened on (${code})`;
  throw new TvmError('unavailable', `port ${parsed.port} (${address}) ${why}`, {
    hint: `End that program, or set ${variable}=${address.replace(/:\d+$/, '')}:PORT (0: any free port).`,
    reason: 'PortTaken',
  });
}

function tryListen(address: { host: string; port: number }): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(address, () => server.close(() => resolve(undefined)));
  });
}

/** "program (process 123)", when this user may see it. */
export function holderOfPort(port: number): string | undefined {
  const sockets = new Set(['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => listeningInodes(table, port)));
  if (sockets.size === 0) return undefined;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (openSockets(pid).some((inode) => sockets.has(inode))) return `${programName(pid)} (process ${pid})`;
  }
  return undefined;
}

function listeningInodes(table: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return (readOr(table) ?? '')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([, local, , state, , , , , , inode]) =>
      state === '0A' && local?.endsWith(suffix) && inode ? [inode] : [],
    );
}

function openSockets(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}

function programName(pid: string): string {
  return readOr(`/proc/${pid}/comm`)?.trim() || 'a program';
}

function readOr(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
