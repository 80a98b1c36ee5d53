// IPv4 addresses as numbers, and blocks of them. Pure.

export interface Block {
  /** First address. */
  base: number;
  prefix: number;
}

/** Undefined for what is no address in dotted notation. */
export function parseAddress(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0);
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');
}

/** `10.0.0.0/8`, or an address alone. What lies beyond the prefix is dropped. Undefined for anything else. */
export function parseBlock(text: string): Block | undefined {
  const [address = '', length = '32', ...more] = text.split('/');
  const parsed = parseAddress(address);
  const prefix = Number(length);
  if (parsed === undefined || more.length > 0 || !/^\d{1,2}$/.test(length) || prefix > 32) return undefined;
  return { base: parsed - (parsed % sizeOf(prefix)), prefix };
}

export function formatBlock({ base, prefix }: Block): string {
  return `${formatAddress(base)}/${prefix}`;
}

export function sizeOf(prefix: number): number {
  return 2 ** (32 - prefix);
}

export function contains(outer: Block, inner: Block): boolean {
  return inner.prefix >= outer.prefix && inner.base >= outer.base && inner.base < outer.base + sizeOf(outer.prefix);
}

export function overlap(a: Block, b: Block): boolean {
  return contains(a, b) || contains(b, a);
}

function blocks(...texts: string[]): Block[] {
  return texts.flatMap((text) => parseBlock(text) ?? []);
}

/** What no machine ever reaches: itself, link-local and metadata, multicast, reserved. */
export const neverReached = blocks('0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '240.0.0.0/4');

/** Private use, shared address space, protocol assignments, benchmarks: what is not on the Internet. */
export const privateBlocks = blocks(
  ...['10.0.0.0/8', '100.64.0.0/10', '172.16.0.0/12', '192.0.0.0/24', '192.168.0.0/16', '198.18.0.0/15'],
);

export function isWithin(address: number, list: readonly Block[]): boolean {
  return list.some((block) => contains(block, { base: address, prefix: 32 }));
}
