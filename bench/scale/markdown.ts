// The results as Markdown, ready for docs/benchmarks.md. Pure.
import { type Requests, total, withoutLeases } from './audit.ts';
import type { Phase, ScaleFigures, Step } from './measure.ts';
import type { ScaleResults } from './results.ts';

export function toMarkdown({ takenAt, command, host, nodes, loadBefore, figures }: ScaleResults): string {
  const taken = `${takenAt.slice(0, 16).replace('T', ' ')} UTC`;
  return `${[
    `Taken ${taken} by \`${command}\` on ${host}, load average ${loadBefore.toFixed(1)} before the run. ${nodes} nodes.`,
    table(figures),
    requestTable(figures),
    steadyText(figures),
  ].join('\n\n')}\n`;
}

type Line = [what: string, of: (step: Step) => number | undefined, digits: number];

const each = (phase: Phase, value: number) => value / phase.objects;
const requestsOf = ({ effort }: Phase) => total(withoutLeases(effort.requests));

const lines: Line[] = [
  ['create to Running, median, ms', ({ create }) => create.p50Ms, 0],
  ['create to Running, p99, ms', ({ create }) => create.p99Ms, 0],
  ['created a second', ({ create }) => (1000 * create.objects) / create.allMs, 0],
  ['processor time of lime-ctrl for each created, ms', ({ create }) => each(create, create.effort.cpuMs), 1],
  ['requests to the API server for each created', ({ create }) => each(create, requestsOf(create)), 2],
  ['reconcile while they are created, median, ms', ({ create }) => create.effort.reconcileP50Ms, 1],
  ['reconcile while they are created, p99, ms', ({ create }) => create.effort.reconcileP99Ms, 1],
  ['paused or resumed, request to phase, median, ms', ({ touch }) => touch.p50Ms, 0],
  ['paused or resumed, request to phase, p99, ms', ({ touch }) => touch.p99Ms, 0],
  ['processor time of lime-ctrl for each of these, ms', ({ touch }) => each(touch, touch.effort.cpuMs), 1],
  ['requests to the API server for each of these', ({ touch }) => each(touch, requestsOf(touch)), 2],
  ['reconcile meanwhile, median, ms', ({ touch }) => touch.effort.reconcileP50Ms, 1],
  ['reconcile meanwhile, p99, ms', ({ touch }) => touch.effort.reconcileP99Ms, 1],
  ['memory of lime-ctrl, MB', ({ touch }) => touch.effort.residentMiB, 0],
  ['etcd in use, MB', (step) => step.etcdMiB, 1],
];

function table({ steps, empty, remove }: ScaleFigures): string {
  const shown = (value: number | undefined, digits: number) => (value === undefined ? '–' : value.toFixed(digits));
  const perSecond = ((1000 * remove.objects) / remove.allMs).toFixed(0);
  return [
    row('MicroVMs declared', ...steps.map(({ count }) => String(count))),
    row('---', ...steps.map(() => '---:')),
    ...lines.map(([what, of, digits]) => row(what, ...steps.map((step) => shown(of(step), digits)))),
    '',
    `Before the first MicroVM lime-ctrl had ${empty.residentMiB.toFixed(0)} MB and etcd ${empty.etcdMiB.toFixed(1)} MB in use. ` +
      `All ${remove.objects} deleted at once: ${perSecond} a second, each gone after ${remove.p50Ms.toFixed(0)} ms (median) or ` +
      `${remove.p99Ms.toFixed(0)} ms (p99), ${each(remove, remove.effort.cpuMs).toFixed(1)} ms of a processor and ` +
      `${each(remove, requestsOf(remove)).toFixed(2)} requests each; reconcile p99 ${shown(remove.effort.reconcileP99Ms, 1)} ms.`,
  ].join('\n');
}

/** Of the last step: what was asked for how many. */
function requestTable({ steps, remove }: ScaleFigures): string {
  const last = steps.at(-1);
  if (!last) return '';
  const phases: [string, Phase][] = [
    ['created', last.create],
    ['paused or resumed', last.touch],
    ['deleted', remove],
  ];
  const names = [...new Set(phases.flatMap(([, { effort }]) => Object.keys(withoutLeases(effort.requests))))].sort();
  const cell = (phase: Phase, name: string) => each(phase, phase.effort.requests[name] ?? 0).toFixed(2);
  return [
    `Requests of lime-ctrl for each MicroVM, at ${last.count} (but for leases, which do not depend on them):`,
    '',
    row('request', ...phases.map(([what]) => what)),
    row('---', ...phases.map(() => '---:')),
    ...names.map((name) => row(name, ...phases.map(([, phase]) => cell(phase, name)))),
  ].join('\n');
}

function steadyText({ steady }: ScaleFigures): string {
  const { seconds, requests, leaseRequests, cpuPercent, reconciles } = steady;
  return (
    `While nothing happens, over ${seconds} s: ${listOf(requests)}, ${leaseRequests} of leases, ${reconciles} reconciles, ` +
    `${cpuPercent.toFixed(1)} % of a processor.`
  );
}

function listOf(requests: Requests): string {
  const names = Object.entries(requests).map(([name, count]) => `${count} ${name}`);
  return `${total(requests)} requests to the API server${names.length > 0 ? ` (${names.join(', ')})` : ''}`;
}

const row = (...cells: string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
