// Where flintlock listens: `unix:/path` or `host:port`, beyond loopback only when callers prove who they are.

import { once } from 'node:events';
import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import { checkSocketPath } from '../vmm/driver.ts';

export type Address = { path: string } | { host: string; port: number };

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

/** Throws `invalid_argument`, without TLS also for addresses that other hosts reach. */
export function parseAddress(text: string, tls = false): Address {
  if (text.startsWith('unix:/')) return { path: text.slice('unix:'.length) };
  const match = /^(.+):(\d{1,5})$/.exec(text);
  const host = match?.[1]?.replace(/^\[|\]$/g, '') ?? '';
  const port = Number(match?.[2] ?? Number.NaN);
  const isAddress = host !== '' && port <= 65_535;
  if (isAddress && (tls || loopback.has(host))) return { host, port };
  const why = isAddress ? 'other hosts reach it, and callers are not authenticated without TVM_TLS_DIR' : '';
  throw new TvmError('invalid_argument', `${text} is no address to listen on${why && `: ${why}`}`, {
    hint: 'Use unix:/absolute/path, a port of this host alone (127.0.0.1:9090), or set TVM_TLS_DIR.',
  });
}

/** Removes a socket that nobody answers on. Throws `failed_precondition` when somebody does. */
export async function claimAddress(address: Address): Promise<void> {
  if (!('path' in address)) return;
  const { path } = address;
  checkSocketPath(dirname(path), path.slice(dirname(path).length + 1));
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  const inUse = !found.isSocket() || (await answers(path));
  if (inUse) {
    const what = found.isSocket() ? 'another process listens on it' : 'it is not a socket';
    throw new TvmError('failed_precondition', `cannot listen on ${path}: ${what}`);
  }
  rmSync(path, { force: true });
}

/** Listens; a Unix socket is for its owner alone. Returns the address as a client would write it. */
export async function listen(server: Server, address: Address): Promise<string> {
  server.listen('path' in address ? { path: address.path } : address);
  await once(server, 'listening');
  if ('path' in address) {
    chmodSync(address.path, 0o600);
    return `unix:${address.path}`;
  }
  const bound = server.address();
  const port = typeof bound === 'object' && bound ? bound.port : address.port;
  return `${address.host}:${port}`;
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket.on('connect', () => done(true)).on('error', () => done(false));
  });
}
