// The goals, judged by ratios within one run. Pure. Invariant: what was not measured is not judged.
import type { ProbeResult } from '../load/probe.ts';
import type { Row } from '../measure/sample.ts';
import type { Times } from '../measure/statistics.ts';
import type { Results } from './results.ts';

export interface Goal {
  goal: string;
  /** "< 1", for a person. */
  wanted: string;
  /** Undefined: not measured in this run. */
  measured: string | undefined;
  reached: boolean | undefined;
}

interface Limit {
  unit: string;
  digits: number;
  below: number;
  /** The limit itself is fine. */
  inclusive?: boolean;
}

const ratio = (below: number, inclusive = false): Limit => ({ unit: '', digits: 2, below, inclusive });
/** Memory of a process that manages its own heap is never the same twice. */
const memoryGrowthPercent = 10;

export function judge({ rows, probes }: Pick<Results, 'rows' | 'probes'>): Goal[] {
  const median = (id: string) => timesOfRow(rows, id)?.medianMs;
  const p99 = timesOfRow(rows, 'warm')?.p99Ms;
  const figure = (probe: string, id: string) => figureOf(probes, probe, id);
  return [
    goal('warm execute, median / `runc run`, median', divided(median('warm'), median('runc')), ratio(1)),
    goal('warm execute, p99 / its own median', divided(p99, median('warm')), ratio(3)),
    goal('restored execute / bare restore', divided(median('restored'), median('bare-restore')), ratio(1.3, true)),
    goal('cold execute / bare boot', divided(median('cold'), median('bare-boot')), ratio(1.3, true)),
    goal('control plane in a warm execute, median', less(median('fake-warm'), median('fake-rpc')), {
      ...{ unit: ' ms', digits: 1, below: 5 },
    }),
    ...['legacy', 'modern'].map((era) =>
      goal(`MCP gateway in a tool call, ${era} era, median`, less(median(`mcp-${era}`), median('mcp-rpc')), {
        ...{ unit: ' ms', digits: 1, below: 5 },
      }),
    ),
    goal('memory of an idle clone beyond the shared snapshot', figure('idle', 'beyond'), {
      ...{ unit: ' MB', digits: 1, below: 15 },
    }),
    growthGoal(probes),
  ];
}

/** In one line what must not grow: each count at most as before, memory about as before. */
function growthGoal(probes: readonly ProbeResult[]): Goal {
  const ids = ['memory', 'descriptors', 'processes', 'machineFolders', 'objects'];
  const found = ids.map((id) => figureOf(probes, 'endurance', id));
  const probe = probes.find(({ id }) => id === 'endurance');
  const [memory, ...counts] = found;
  const base = {
    goal: `growth over ${probe?.name ?? 'executes one after another'}`,
    wanted: `memory < ${memoryGrowthPercent} %, nothing else`,
  };
  if (memory === undefined || counts.some((count) => count === undefined))
    return { ...base, measured: undefined, reached: undefined };
  const grown = ids.slice(1).flatMap((id, index) => ((counts[index] ?? 0) > 0 ? [`${id} +${counts[index]}`] : []));
  return {
    ...base,
    measured: [
      `memory ${memory >= 0 ? '+' : ''}${memory.toFixed(1)} %`,
      ...(grown.length > 0 ? grown : ['nothing else']),
    ].join(', '),
    reached: memory < memoryGrowthPercent && grown.length === 0,
  };
}

function goal(name: string, value: number | undefined, { unit, digits, below, inclusive }: Limit): Goal {
  const wanted = `${inclusive ? '≤' : '<'} ${below}${unit}`;
  if (value === undefined) return { goal: name, wanted, measured: undefined, reached: undefined };
  const reached = inclusive ? value <= below : value < below;
  return { goal: name, wanted, measured: `${value.toFixed(digits)}${unit}`, reached };
}

export function timesOfRow(rows: readonly Row[], id: string): Times | undefined {
  return rows.find((row) => row.id === id)?.times;
}

function figureOf(probes: readonly ProbeResult[], probe: string, id: string): number | undefined {
  return probes.find((each) => each.id === probe)?.figures.find((each) => each.id === id)?.value;
}

function divided(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined || b === 0 ? undefined : a / b;
}

function less(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a - b;
}
