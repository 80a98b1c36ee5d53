// Results as tests of the reports want them.
import type { Row, RowKind } from '../../measure/sample.ts';
import { timesOf } from '../../measure/statistics.ts';
import type { Results } from '../results.ts';

export function row(id: string, runsMs: number[], rest: Partial<Row> = {}): Row {
  const times = runsMs.length > 0 ? timesOf(runsMs) : undefined;
  return {
    ...{ id, name: id, what: `${id} timed` },
    kind: 'product' as RowKind,
    runsMs,
    times,
    failures: 0,
    note: undefined,
    ...rest,
  };
}

export function results(parts: Partial<Results>): Results {
  return {
    takenAt: '2026-01-02T03:04:05.000Z',
    command: 'npm run bench',
    machine: {
      ...{ cpu: 'a processor', cores: 2, memoryGiB: 24, kernel: '6.1', node: 'v24' },
      ...{ accelerator: 'tcg', qemu: '7.2', guestKernel: '6.12' },
    },
    rows: [],
    probes: [],
    ...parts,
  };
}
