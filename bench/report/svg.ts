// The latencies as a picture: bars of the median on a log scale, marks at the minimum and p99. Pure.
// Invariant: legible on a light and a dark page: the picture brings both sets of colours.
import type { Row, RowKind } from '../measure/sample.ts';
import type { Times } from '../measure/statistics.ts';
import { escaped, label, pageStyle, round, text } from './drawing.ts';

export interface Picture {
  title: string;
  subtitle: string;
  rows: Pick<Row, 'name' | 'kind' | 'times'>[];
}

const width = 960;
const labelWidth = 220;
const valueWidth = 96;
const top = 96;
const rowHeight = 30;
const barHeight = 16;
const bottom = 56;
/** About what a letter of the legend takes; it need not be exact. */
const legendLetterWidth = 6.6;
const plot = { left: labelWidth, right: width - valueWidth };

const kinds: Record<RowKind, string> = {
  peer: 'without a machine of its own',
  bare: 'bare QEMU',
  product: 'TVM',
  stage: 'parts of it',
};

type Palette = Record<RowKind, string>;
const light: Palette = { peer: '#8c959f', bare: '#bf8700', product: '#0969da', stage: '#6cb6ff' };
const dark: Palette = { peer: '#7d8590', bare: '#d29922', product: '#4493f8', stage: '#2f5f9f' };

const style = `
${pageStyle}
.mark { stroke-width: 1.5; }
${rules(light)}
@media (prefers-color-scheme: dark) {
${rules(dark)}
}
`;

function rules(fills: Palette): string {
  return Object.entries(fills)
    .map(([kind, colour]) => `.${kind} { fill: ${colour}; }`)
    .join('\n');
}

/** A whole SVG document, rows by kind. Rows without times are left out. */
export function toSvg({ title, subtitle, rows }: Picture): string {
  const order = Object.keys(kinds);
  const shown = rows
    .flatMap(({ name, kind, times }) => (times ? [{ name, kind, times }] : []))
    .toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
  const height = top + shown.length * rowHeight + bottom;
  const scale = scaleOf(shown.map(({ times }) => times));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${style}</style>`,
    `<rect class="page" width="${width}" height="${height}" rx="6"/>`,
    text(16, 30, title, 'title'),
    text(16, 50, subtitle, 'faint'),
    ...legend(shown),
    ...scale.ticks.flatMap((ms) => grid(scale.x(ms), label(ms), height)),
    ...shown.flatMap((row, index) => bar(row, top + index * rowHeight, scale)),
    text(plot.left, height - 14, 'milliseconds, log scale; bar: median, thin marks: minimum and p99', 'faint'),
    '</svg>',
    '',
  ].join('\n');
}

interface Scale {
  x: (ms: number) => number;
  /** Whole powers of ten, the first and the last at the ends. */
  ticks: number[];
}

export function scaleOf(times: readonly Times[]): Scale {
  const low = Math.floor(Math.log10(Math.max(0.01, Math.min(1, ...times.map(({ minimumMs }) => minimumMs)))));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(10, ...times.map(({ p99Ms }) => p99Ms)))));
  const at = (ms: number) => (Math.log10(Math.max(ms, 10 ** low)) - low) / (high - low);
  return {
    x: (ms) => round(plot.left + at(ms) * (plot.right - plot.left)),
    ticks: Array.from({ length: high - low + 1 }, (_, index) => Number((10 ** (low + index)).toPrecision(1))),
  };
}

type Shown = { name: string; kind: RowKind; times: Times };

function bar({ name, kind, times }: Shown, y: number, { x }: Scale): string[] {
  const middle = y + rowHeight / 2;
  const barTop = middle - barHeight / 2;
  const mark = (ms: number) =>
    `<line class="mark" x1="${x(ms)}" x2="${x(ms)}" y1="${barTop - 3}" y2="${barTop + barHeight + 3}"/>`;
  return [
    text(plot.left - 10, middle + 4, name, '', 'end'),
    `<rect class="${kind}" x="${plot.left}" y="${barTop}" width="${round(x(times.medianMs) - plot.left)}" height="${barHeight}"/>`,
    mark(times.minimumMs),
    mark(times.p99Ms),
    text(plot.right + 10, middle + 4, `${label(times.medianMs)} ms`),
  ];
}

function grid(x: number, name: string, height: number): string[] {
  return [
    `<line class="grid" x1="${x}" x2="${x}" y1="${top - 6}" y2="${height - bottom + 6}"/>`,
    text(x, height - bottom + 22, name, 'faint', 'middle'),
  ];
}

function legend(rows: readonly Shown[]): string[] {
  const used = (Object.keys(kinds) as RowKind[]).filter((kind) => rows.some((row) => row.kind === kind));
  return used.flatMap((kind, index) => {
    const before = used.slice(0, index).reduce((sum, each) => sum + kinds[each].length, 0);
    const x = plot.left + index * 44 + before * legendLetterWidth;
    return [`<rect class="${kind}" x="${x}" y="64" width="12" height="12"/>`, text(x + 18, 75, kinds[kind], 'faint')];
  });
}
