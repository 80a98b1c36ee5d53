// What many times come down to. Pure.

export interface Times {
  minimumMs: number;
  medianMs: number;
  p90Ms: number;
  p99Ms: number;
}

/** Of a non-empty list. */
export function timesOf(list: readonly number[]): Times {
  const sorted = list.toSorted((a, b) => a - b);
  return {
    minimumMs: quantile(sorted, 0),
    medianMs: quantile(sorted, 0.5),
    p90Ms: quantile(sorted, 0.9),
    p99Ms: quantile(sorted, 0.99),
  };
}

/** Nearest-rank quantile of a sorted, non-empty list. */
export function quantile(sorted: readonly number[], q: number): number {
  const rank = Math.max(0, Math.ceil(q * sorted.length) - 1);
  const value = sorted[rank];
  if (value === undefined) throw new RangeError('quantile of an empty list');
  return value;
}
