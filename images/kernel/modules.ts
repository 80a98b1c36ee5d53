// Which kernel modules a guest needs, and in which order. Invariant: a module comes after all that it depends on.

/** What a guest uses of a kernel that has it as modules; names as in lsmod. */
export const guestModules = [
  'virtio_mmio',
  'virtio_blk',
  'virtio_net',
  'squashfs',
  'overlay',
  'virtio_rng',
  'virtio_balloon',
  'vmw_vsock_virtio_transport',
  'crc32c_generic',
  'ext4',
];

/** The name in lsmod of a module's file: `virtio-rng.ko.xz` is `virtio_rng`. */
export function moduleName(fileName: string): string {
  return (fileName.split('/').pop() ?? '').replace(/\.ko(\.(xz|zst|gz))?$/, '').replaceAll('-', '_');
}

/** The modules that one names in its `.modinfo` section. `content` is the uncompressed object. */
export function moduleDependencies(content: Uint8Array): string[] {
  const text = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('latin1');
  const names = /\0depends=([^\0]*)\0/.exec(text)?.[1] ?? '';
  return names.split(',').filter(Boolean).map(moduleName);
}

/**
 * `wanted` and all that they depend on, dependencies first. `dependenciesOf` gives undefined for a module that the kernel has not
 * got as a file: it is built in, and left out.
 */
export function loadOrder(wanted: string[], dependenciesOf: (name: string) => string[] | undefined): string[] {
  const order: string[] = [];
  const seen = new Set<string>();
  const visit = (name: string) => {
    if (seen.has(name)) return;
    seen.add(name);
    const dependencies = dependenciesOf(name);
    if (!dependencies) return;
    for (const dependency of dependencies) visit(dependency);
    order.push(name);
  };
  for (const name of wanted) visit(name);
  return order;
}
