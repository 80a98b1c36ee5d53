// Numbers out of a page of Prometheus metrics. Pure but for the fetch.

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** Throws an Error when there is no such page. */
export async function fetchSamples(url: string): Promise<Sample[]> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return samplesIn(await response.text());
}

export function samplesIn(page: string): Sample[] {
  return page.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return [];
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => [key, text]);
    return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }];
  });
}

/** The sum of the samples with this name and these labels. */
export function sumOf(samples: readonly Sample[], name: string, labels: Record<string, string> = {}): number {
  const wanted = Object.entries(labels);
  return samples
    .filter((sample) => sample.name === name && wanted.every(([key, value]) => sample.labels[key] === value))
    .reduce((sum, { value }) => sum + value, 0);
}

/** Upper bound to how many were at most that. */
export type Buckets = Map<number, number>;

export function bucketsOf(samples: readonly Sample[], name: string, labels: Record<string, string>): Buckets {
  const bounds = samples.flatMap((sample) => (sample.name === `${name}_bucket` ? [sample.labels.le ?? ''] : []));
  return new Map(
    [...new Set(bounds)]
      .map((le): [number, number] => [numberOf(le), sumOf(samples, `${name}_bucket`, { ...labels, le })])
      .sort(([a], [b]) => a - b),
  );
}

/** What came between two looks. */
export function since(before: Buckets, after: Buckets): Buckets {
  return new Map([...after].map(([bound, count]) => [bound, count - (before.get(bound) ?? 0)]));
}

/** As Prometheus' histogram_quantile: linear inside a bucket; undefined when there is nothing. */
export function quantileOf(buckets: Buckets, q: number): number | undefined {
  const entries = [...buckets];
  const all = entries.at(-1)?.[1] ?? 0;
  if (all === 0) return undefined;
  const index = entries.findIndex(([, count]) => count >= q * all);
  const [bound = 0, count = 0] = entries[index] ?? [];
  const [below, fewer] = index === 0 ? [0, 0] : (entries[index - 1] ?? [0, 0]);
  if (bound === Number.POSITIVE_INFINITY) return below;
  return below + ((bound - below) * (q * all - fewer)) / (count - fewer);
}

const numberOf = (le: string) => (le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le));
