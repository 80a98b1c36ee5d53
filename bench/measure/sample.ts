// Runs scenarios in turn (A B C, A B C, …), so that a machine whose speed drifts treats all of them alike.
// Invariant: a scenario that fails is told in its row; the others still run.
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Times, timesOf } from './statistics.ts';

export type RowKind = 'peer' | 'bare' | 'product' | 'stage';

export interface Scenario {
  /** What `--only` and the goals call it. */
  id: string;
  kind: RowKind;
  /** How the row is called. */
  name: string;
  /** What exactly is timed, for the reader of the table. */
  what: string;
  /** Counted runs in each round (1); spread over the round. */
  perRound?: number;
  /** Why it cannot run on this host: a program that is not installed. That is no failure. */
  absent?: string | undefined;
  /** Once, before the first run; not timed. */
  setup?: () => Promise<void>;
  /** Makes the next run possible; not timed. */
  prepare?: () => Promise<void>;
  /** One timed run. Throws when the result was not the expected one. */
  run: () => Promise<void>;
  /** Clears up after a run, also after one that failed or could not be prepared; not timed. */
  after?: () => Promise<void>;
}

export interface Row {
  id: string;
  kind: RowKind;
  name: string;
  what: string;
  /** Of every counted run, in order. */
  runsMs: number[];
  /** Undefined when no counted run succeeded. */
  times: Times | undefined;
  failures: number;
  /** The first failure, or why it did not run. */
  note: string | undefined;
}

export interface SampleOptions {
  rounds: number;
  signal: AbortSignal;
  onRun: (name: string, round: number, ms: number) => void;
  onFailure: (name: string, error: unknown) => void;
}

/** So often may a scenario fail before it is given up. */
const maxFailures = 3;
/** Between runs, so that what one leaves to be done in the background is not in the next one's time. */
const restMs = 50;

interface Track {
  scenario: Scenario;
  runsMs: number[];
  failures: number;
  note: string | undefined;
  open: boolean;
}

export async function sample(scenarios: readonly Scenario[], options: SampleOptions): Promise<Row[]> {
  const tracks = scenarios.map(
    (scenario): Track => ({
      scenario,
      runsMs: [],
      failures: 0,
      note: scenario.absent,
      open: scenario.absent === undefined,
    }),
  );
  for (const track of tracks) if (track.open) await setUp(track, options);
  for (let round = 0; round <= options.rounds; round++) {
    // Round 0 warms caches up and does not count.
    const turns = round === 0 ? tracks.map(() => 1) : tracks.map(({ scenario }) => scenario.perRound ?? 1);
    for (const index of turnsOfRound(turns)) {
      const track = tracks[index];
      if (options.signal.aborted) return tracks.map(rowOf);
      if (track?.open) await runOnce(track, round, options);
    }
  }
  return tracks.map(rowOf);
}

/** Indices in the order of their runs: each as often as it says, spread evenly. */
export function turnsOfRound(perRound: readonly number[]): number[] {
  const passes = Math.max(0, ...perRound);
  return Array.from({ length: passes }, (_, pass) =>
    perRound.flatMap((count, index) =>
      Math.floor(((pass + 1) * count) / passes) > Math.floor((pass * count) / passes) ? [index] : [],
    ),
  ).flat();
}

async function setUp(track: Track, options: SampleOptions): Promise<void> {
  if (options.signal.aborted) return;
  try {
    await track.scenario.setup?.();
  } catch (error) {
    if (!options.signal.aborted) fail(track, error, options);
    track.open = false;
  }
}

async function runOnce(track: Track, round: number, options: SampleOptions): Promise<void> {
  const { scenario } = track;
  try {
    try {
      await scenario.prepare?.();
      await sleep(restMs);
      const began = performance.now();
      await scenario.run();
      const ms = performance.now() - began;
      if (round > 0) track.runsMs.push(ms);
      options.onRun(scenario.name, round, ms);
    } finally {
      await scenario.after?.();
    }
  } catch (error) {
    if (!options.signal.aborted) fail(track, error, options);
  }
}

function fail(track: Track, error: unknown, { onFailure }: SampleOptions): void {
  track.failures += 1;
  track.note ??= error instanceof Error ? error.message : String(error);
  if (track.failures >= maxFailures) track.open = false;
  onFailure(track.scenario.name, error);
}

function rowOf({ scenario: { id, kind, name, what }, runsMs, failures, note }: Track): Row {
  const times = runsMs.length > 0 ? timesOf(runsMs) : undefined;
  return { id, kind, name, what, runsMs, times, failures, note };
}
