// Which addresses machines have on their node: a pair for each, of a block that the node's own routes leave free. Pure.
// Invariant: no two machines have the same pair; the same machine gets the same one as long as nobody else has it.
import { createHash } from 'node:crypto';
import { TvmError } from '@tvm/api/errors.ts';
import { type Block, formatAddress, overlap, parseBlock, sizeOf } from './ipv4.ts';

/** Addresses of a machine on its node: of the node's end of its link, and of its own. */
export interface AddressPair {
  host: string;
  machine: string;
}

/** Shared address space (RFC 6598): made for what lies between a network and those that it translates for. */
const pool: Block = { base: 0x64400000, prefix: 10 };
const blockPrefix = 18;
const pairSize = 2;

/** What every guest sees, whatever it is called outside: the addresses set aside for such links (RFC 6333). */
export const guestLink = { guest: '192.0.0.2', gateway: '192.0.0.1', prefix: 30 } as const;

/**
 * A block for the machines of a flintlock: the wanted one, or the first of the pool, from a place that follows from `owner`, that
 * overlaps none of `routes`. Throws `invalid_argument` (no block of 2 addresses at least), `resource_exhausted` (none is free).
 */
export function chooseBlock(owner: string, routes: readonly Block[], wanted: string | undefined): Block {
  if (wanted !== undefined) {
    const block = parseBlock(wanted);
    if (block && block.prefix >= 8 && block.prefix <= 31) return block;
    throw new TvmError('invalid_argument', `TVM_NETWORK_CIDR: "${wanted}" is no block such as 100.64.0.0/18`);
  }
  const count = 2 ** (blockPrefix - pool.prefix);
  const first = digest(owner) % count;
  for (let step = 0; step < count; step++) {
    const base = pool.base + ((first + step) % count) * sizeOf(blockPrefix);
    const block = { base, prefix: blockPrefix };
    if (!routes.some((route) => overlap(route, block))) return block;
  }
  throw exhausted(
    'the routes of this node leave no part of 100.64.0.0/10 free',
    'Set TVM_NETWORK_CIDR to a free block.',
  );
}

/** The pair of a machine: where its id leads, or the next that is not in `taken` (by the host's address). */
export function choosePair(machineId: string, block: Block, taken: ReadonlySet<string>): AddressPair {
  const count = sizeOf(block.prefix) / pairSize;
  const first = digest(machineId) % count;
  for (let step = 0; step < count; step++) {
    const host = block.base + ((first + step) % count) * pairSize;
    if (!taken.has(formatAddress(host))) return { host: formatAddress(host), machine: formatAddress(host + 1) };
  }
  throw exhausted(`all ${count} addresses for machines are taken`, 'Set TVM_NETWORK_CIDR to a larger block.');
}

/** The machine's address beside the host's. */
export function pairOfHost(host: string): AddressPair | undefined {
  const block = parseBlock(host);
  return block && { host, machine: formatAddress(block.base + 1) };
}

function digest(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0);
}

function exhausted(message: string, hint: string): TvmError {
  return new TvmError('resource_exhausted', message, { reason: 'NoAddress', hint });
}
