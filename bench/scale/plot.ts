// The results as a picture: what one MicroVM costs, over how many there are. Flat is what is wanted. Pure.
import { escaped, label, pageStyle, round, text } from '../report/drawing.ts';
import type { ScaleFigures, Step } from './measure.ts';

interface Panel {
  title: string;
  /** First to last: the darker is the median. */
  lines: { name: string; points: (number | undefined)[] }[];
}

const width = 960;
const height = 330;
const top = 96;
const bottom = 60;
const gap = 64;
const left = 56;
const colours = { light: ['#0969da', '#bf8700'], dark: ['#4493f8', '#d29922'] };

function panelsOf(steps: readonly Step[]): Panel[] {
  const of = (value: (step: Step) => number | undefined) => steps.map(value);
  return [
    {
      title: 'reconcile of a change, ms',
      lines: [
        { name: 'median', points: of(({ touch }) => touch.effort.reconcileP50Ms) },
        { name: 'p99', points: of(({ touch }) => touch.effort.reconcileP99Ms) },
      ],
    },
    {
      title: 'processor time for each, ms',
      lines: [
        { name: 'created', points: of(({ create }) => create.effort.cpuMs / create.objects) },
        { name: 'changed', points: of(({ touch }) => touch.effort.cpuMs / touch.objects) },
      ],
    },
    {
      title: 'memory of lime-ctrl, MB',
      lines: [{ name: 'resident', points: of(({ touch }) => touch.effort.residentMiB) }],
    },
  ];
}

/** A whole SVG document. */
export function toScaleSvg(figures: ScaleFigures, subtitle: string): string {
  const title = 'lime-ctrl, over MicroVMs declared';
  const counts = figures.steps.map(({ count }) => count);
  const panels = panelsOf(figures.steps);
  const panelWidth = (width - left - 24 - gap * (panels.length - 1)) / panels.length;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${pageStyle}\n${lineStyle}</style>`,
    `<rect class="page" width="${width}" height="${height}" rx="6"/>`,
    text(16, 30, title, 'title'),
    text(16, 50, subtitle, 'faint'),
    ...panels.flatMap((panel, index) => drawPanel(panel, counts, left + index * (panelWidth + gap), panelWidth)),
    text(left, height - 14, 'MicroVMs declared', 'faint'),
    '</svg>',
    '',
  ].join('\n');
}

const rulesOf = (pair: string[]) =>
  pair.map(
    (colour, index) =>
      `.line${index} { stroke: ${colour}; fill: none; stroke-width: 2; } .dot${index} { fill: ${colour}; }`,
  );
const lineStyle = [
  ...rulesOf(colours.light),
  '@media (prefers-color-scheme: dark) {',
  ...rulesOf(colours.dark),
  '}',
].join('\n');

function drawPanel({ title, lines }: Panel, counts: number[], x0: number, panelWidth: number): string[] {
  const highest = roundUp(Math.max(...lines.flatMap(({ points }) => points.map((point) => point ?? 0))));
  const lastCount = counts.at(-1) ?? 1;
  const x = (count: number) => round(x0 + (count / lastCount) * panelWidth);
  const y = (value: number) => round(height - bottom - (value / highest) * (height - bottom - top));
  return [
    text(x0, top - 16, title),
    ...[0, highest / 2, highest].flatMap((value) => [
      `<line class="grid" x1="${x0}" x2="${round(x0 + panelWidth)}" y1="${y(value)}" y2="${y(value)}"/>`,
      text(x0 - 8, y(value) + 4, label(value), 'faint', 'end'),
    ]),
    ...counts.map((count) => text(x(count), height - bottom + 18, String(count), 'faint', 'middle')),
    ...lines.flatMap(({ name, points }, index) => {
      const known = points.flatMap((point, at) => (point === undefined ? [] : [[x(counts[at] ?? 0), y(point)]]));
      const [lastX = 0, lastY = 0] = known.at(-1) ?? [];
      return [
        `<polyline class="line${index}" points="${known.map((point) => point.join(',')).join(' ')}"/>`,
        ...known.map(([cx, cy]) => `<circle class="dot${index}" cx="${cx}" cy="${cy}" r="3"/>`),
        text(lastX, lastY + (index === 0 ? -8 : 18), name, 'faint', 'end'),
      ];
    }),
  ];
}

/** 1, 2 or 5 times a power of ten. */
export function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-6)));
  return Number((([1, 2, 5, 10].find((step) => step * power >= value) ?? 10) * power).toPrecision(1));
}
