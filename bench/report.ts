// The table and the JSON of a benchmark run, with what a reader needs to judge them: machine, versions, command.
import { cpus, release, totalmem } from 'node:os';
import type { Row } from './sample.ts';

export interface Report {
  takenAt: string;
  command: string;
  machine: {
    cpu: string;
    cores: number;
    memoryGiB: number;
    kernel: string;
    node: string;
    accelerator: string;
    guestKernel: string;
  };
  rows: Row[];
}

export function makeReport(rows: Row[], accelerator: string, command: string, guestKernel: string): Report {
  return {
    takenAt: new Date().toISOString(),
    command,
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      kernel: release(),
      node: process.version,
      accelerator,
      guestKernel,
    },
    rows,
  };
}

/** Markdown, ready for docs/benchmarks.md. */
export function toMarkdown(report: Report): string {
  const { machine } = report;
  const lines = [
    `Taken ${report.takenAt.slice(0, 10)} by \`${report.command}\` on ${machine.cores} cores of ${machine.cpu}, ` +
      `${machine.memoryGiB} GiB, Linux ${machine.kernel}, Node ${machine.node}, accelerator ${machine.accelerator}, guest kernel ${machine.guestKernel}.`,
    '',
    '| what | minimum ms | median ms | p99 ms | runs | timed |',
    '|---|---:|---:|---:|---:|---|',
    ...report.rows.map(
      (row) =>
        `| ${row.name} | ${row.minimumMs.toFixed(1)} | ${row.medianMs.toFixed(1)} | ${row.p99Ms.toFixed(1)} | ${row.runs} | ${row.what} |`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}
