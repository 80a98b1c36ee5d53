// Ways in which a fake machine misbehaves, chosen by the name of its image: `fake/boot-fails`, `fake/hangs`,
// `fake/boots-in-200ms`; several are joined by `+`.

export interface Faults {
  /** The VMM ends at once with an error. */
  bootFails: boolean;
  /** The guest never answers. */
  hangs: boolean;
  bootMs: number;
}

export function faultsOf(rootDiskPath: string): Faults {
  const words = (/fake\/([^:@]+)/.exec(rootDiskPath)?.[1] ?? '').split('+');
  const milliseconds = (name: string) => {
    const found = words.map((word) => new RegExp(`^${name}-(\\d+)ms$`).exec(word)).find((match) => match !== null);
    return found ? Number(found[1]) : undefined;
  };
  return {
    bootFails: words.includes('boot-fails'),
    hangs: words.includes('hangs'),
    bootMs: milliseconds('boots-in') ?? 0,
  };
}
