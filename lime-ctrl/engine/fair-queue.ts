// A queue shared by tenants. Invariants: tenants take turns, so that how much one puts in delays another by one turn at most;
// of one tenant first come is first served; when it is full, who has most in it gives way.
export interface FairQueue<T> {
  /** What had to give way for it, which may be the item itself; undefined: there was room. */
  push(tenant: string, item: T): T | undefined;
  /** The next whose tenant may; undefined: there is none. */
  shift(may: (tenant: string) => boolean): T | undefined;
  /** The item is not waited for any more. */
  remove(tenant: string, item: T): void;
  readonly length: number;
}

export function makeFairQueue<T>(capacity: number): FairQueue<T> {
  /** In the order of their turns; none is empty. */
  const lines = new Map<string, T[]>();
  let length = 0;

  function take(tenant: string, index: number): T | undefined {
    const line = lines.get(tenant) ?? [];
    const [item] = line.splice(index, 1);
    length -= 1;
    if (line.length === 0) lines.delete(tenant);
    return item;
  }

  function longest(): [tenant: string, length: number] {
    let most: [string, number] = ['', 0];
    for (const [tenant, line] of lines) if (line.length > most[1]) most = [tenant, line.length];
    return most;
  }

  return {
    push(tenant, item) {
      let displaced: T | undefined;
      if (length >= capacity) {
        const [biggest, most] = longest();
        if ((lines.get(tenant)?.length ?? 0) + 1 >= most) return item;
        displaced = take(biggest, most - 1);
      }
      const line = lines.get(tenant);
      if (line) line.push(item);
      else lines.set(tenant, [item]);
      length += 1;
      return displaced;
    },
    shift(may) {
      const tenant = [...lines.keys()].find(may);
      if (tenant === undefined) return undefined;
      const item = take(tenant, 0);
      const rest = lines.get(tenant);
      lines.delete(tenant);
      if (rest) lines.set(tenant, rest);
      return item;
    },
    remove(tenant, item) {
      const index = lines.get(tenant)?.indexOf(item) ?? -1;
      if (index >= 0) take(tenant, index);
    },
    get length() {
      return length;
    },
  };
}
