// A probe: something measured once, that has figures of its own. Invariant: one that fails is told, the others still run.

export interface Figure {
  /** What the goals call it, unique in its probe. */
  id: string;
  name: string;
  value: number;
  /** "ms", "MB", "/s", "%", "" for a count. */
  unit: string;
}

export interface Probe {
  id: string;
  name: string;
  /** How it is measured, for the reader of the table. */
  what: string;
  run: () => Promise<Figure[]>;
}

export interface ProbeResult {
  id: string;
  name: string;
  what: string;
  figures: Figure[];
  /** Why it failed. */
  error: string | undefined;
}

/** Figures that were taken although the outcome was not the expected one. */
export class ProbeFailure extends Error {
  readonly figures: Figure[];

  constructor(message: string, figures: Figure[]) {
    super(message);
    this.figures = figures;
  }
}

export interface ProbeOptions {
  signal: AbortSignal;
  say: (message: string) => void;
}

export async function runProbes(probes: readonly Probe[], { signal, say }: ProbeOptions): Promise<ProbeResult[]> {
  const results: ProbeResult[] = [];
  for (const { id, name, what, run } of probes) {
    if (signal.aborted) break;
    say(name);
    try {
      results.push({ id, name, what, figures: await run(), error: undefined });
    } catch (thrown) {
      if (signal.aborted) break;
      const error = thrown instanceof Error ? thrown.message : String(thrown);
      const figures = thrown instanceof ProbeFailure ? thrown.figures : [];
      say(`${name}: FAILED: ${error}`);
      results.push({ id, name, what, figures, error });
    }
  }
  return results;
}
