// The results as Markdown, ready for docs/benchmarks.md. Pure.
import type { ProbeResult } from '../load/probe.ts';
import type { Row } from '../measure/sample.ts';
import { type Goal, judge } from './goals.ts';
import { describe, type Results } from './results.ts';
import { stagesOf } from './stages.ts';

export function toMarkdown(results: Results): string {
  const { rows, probes } = results;
  const sections = [
    [describe(results)],
    goalTable(judge(results)),
    rows.length > 0 ? latencyTable(rows) : [],
    stageTable(rows),
    probes.length > 0 ? probeTable(probes) : [],
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function goalTable(goals: Goal[]): string[] {
  return [
    '| goal | wanted | measured | reached |',
    '|---|---|---|---|',
    ...goals.map(({ goal, wanted, measured, reached }) =>
      line(goal, wanted, measured ?? 'not measured', reached === undefined ? '–' : reached ? 'yes' : '**no**'),
    ),
  ];
}

function latencyTable(rows: Row[]): string[] {
  return [
    'Milliseconds, in turn within one run:',
    '',
    '| | minimum | median | p90 | p99 | runs | timed |',
    '|---|---:|---:|---:|---:|---:|---|',
    ...rows.map(({ name, what, times, runsMs, failures, note }) => {
      const cells = times
        ? [times.minimumMs, times.medianMs, times.p90Ms, times.p99Ms].map((ms) => ms.toFixed(1))
        : ['–', '–', '–', '–'];
      const failed = failures > 0 ? ` **${failures} failed: ${note}**` : note ? ` (${note})` : '';
      return line(name, ...cells, String(runsMs.length), `${what}${failed}`);
    }),
  ];
}

function stageTable(rows: Row[]): string[] {
  const stages = stagesOf(rows);
  if (stages.length === 0) return [];
  return [
    'Where the time of a warm `vvm execute` goes (differences of medians):',
    '',
    '| stage | ms | from |',
    '|---|---:|---|',
    ...stages.map(({ stage, ms, from }) => line(stage, ms.toFixed(1), from)),
  ];
}

function probeTable(probes: ProbeResult[]): string[] {
  return [
    '| load | figure | |',
    '|---|---|---:|',
    ...probes.flatMap(({ name, what, figures, error }) => [
      ...(error !== undefined ? [line(`**${name}**`, `**failed: ${error}**`, '')] : []),
      ...figures.map((figure, index) =>
        line(index === 0 ? `**${name}**: ${what}` : '', figure.name, `${format(figure.value, figure.unit)}`),
      ),
    ]),
  ];
}

function format(value: number, unit: string): string {
  const text = unit === '' ? String(value) : value.toFixed(value >= 100 ? 0 : 1).replace(/^-(0\.0)$/, '$1');
  return unit.startsWith('/') ? `${text} ${unit.slice(1) === 's' ? 'a second' : unit}` : `${text} ${unit}`.trim();
}

/** A cell never breaks its table, whatever an error says. */
function line(...cells: string[]): string {
  const safe = cells.map((cell) =>
    cell
      .replaceAll(/\s*\n\s*/g, ' ')
      .replaceAll('|', '\\|')
      .slice(0, 400),
  );
  return `| ${safe.join(' | ')} |`;
}
