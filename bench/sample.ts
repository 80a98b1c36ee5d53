// Runs scenarios in turn (A B C, A B C, …), so that a machine whose speed drifts treats all of them alike.
import { performance } from 'node:perf_hooks';

export interface Scenario {
  /** How the row is called. */
  name: string;
  /** What exactly is timed, for the reader of the table. */
  what: string;
  /** Makes the next run possible; not timed. */
  prepare?: () => Promise<void>;
  /** One timed run. Throws when the result was not the expected one. */
  run: () => Promise<void>;
}

export interface Row {
  name: string;
  what: string;
  runs: number;
  minimumMs: number;
  medianMs: number;
  p99Ms: number;
}

export async function sample(
  scenarios: Scenario[],
  rounds: number,
  onRun: (name: string, round: number, ms: number) => void,
): Promise<Row[]> {
  const times = new Map<Scenario, number[]>(scenarios.map((scenario) => [scenario, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [scenario, list] of times) {
      await scenario.prepare?.();
      const began = performance.now();
      await scenario.run();
      const ms = performance.now() - began;
      // Round 0 warms caches up and does not count.
      if (round > 0) list.push(ms);
      onRun(scenario.name, round, ms);
    }
  }
  return [...times].map(([scenario, list]) => rowOf(scenario, list));
}

function rowOf(scenario: Scenario, times: number[]): Row {
  const sorted = times.toSorted((a, b) => a - b);
  return {
    name: scenario.name,
    what: scenario.what,
    runs: sorted.length,
    minimumMs: quantile(sorted, 0),
    medianMs: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
  };
}

/** Nearest-rank quantile of a sorted, non-empty list. */
export function quantile(sorted: number[], q: number): number {
  const rank = Math.max(0, Math.ceil(q * sorted.length) - 1);
  const value = sorted[rank];
  if (value === undefined) throw new RangeError('quantile of an empty list');
  return value;
}
