// What listens on a TCP port inside the machine, as its kernel tells in /proc/net/tcp and tcp6 (proc(5)).
import { TvmError } from '@tvm/api/errors.ts';
import { readFile } from './files.ts';
import type { Place } from './guest.ts';

const maxTableBytes = 1_048_576;
const maxPorts = 200;
/** TCP_LISTEN of the kernel's include/net/tcp_states.h. */
const listenState = '0A';

export interface ListeningPort {
  port: number;
  /** The address that the server is bound to, such as 127.0.0.1; 0.0.0.0 and :: are all of them. */
  address: string;
}

/** Sorted by port, at most 200 of them. */
export async function listeningPorts(place: Place): Promise<ListeningPort[]> {
  const read = async (path: string) => (await readFile(place, path, { offset: 0, limit: maxTableBytes })).bytes;
  const [v4, v6] = await Promise.all([read('/proc/net/tcp'), read('/proc/net/tcp6').catch(withoutIpv6)]);
  return portsOf(`${v4.toString('latin1')}\n${v6.toString('latin1')}`);
}

/** A machine whose kernel has no IPv6 has no such table. */
function withoutIpv6(error: unknown): Buffer {
  if (TvmError.from(error).code !== 'not_found') throw error;
  return Buffer.alloc(0);
}

/** Of lines of such tables; what is none of theirs is left out. */
export function portsOf(tables: string): ListeningPort[] {
  const found = new Map<string, ListeningPort>();
  for (const line of tables.split('\n')) {
    const [, local = '', , state] = line.trim().split(/\s+/);
    const [, address, port] = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(local) ?? [];
    if (address === undefined || port === undefined || state !== listenState) continue;
    const listening = { port: Number.parseInt(port, 16), address: addressOf(address) };
    found.set(`${listening.port} ${listening.address}`, listening);
  }
  return [...found.values()].sort((a, b) => a.port - b.port).slice(0, maxPorts);
}

/** The kernel prints words of four bytes as numbers of the processor, which has the least byte first. */
function addressOf(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => [...Buffer.from(word, 'hex').reverse()]);
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, at) => Buffer.from(bytes.slice(2 * at, 2 * at + 2)).toString('hex'));
  // URL writes IPv6 addresses in their canonical form (RFC 5952).
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
