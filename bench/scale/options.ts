// The command line of the scale benchmark. Pure.
import { parseFlags, UsageError } from '../options.ts';

export interface ScaleOptions {
  /** How many MicroVMs are declared when it is measured, rising. */
  counts: number[];
  nodes: number;
  /** How many MicroVMs are changed at each count. */
  touched: number;
  /** How long nothing happens. */
  steadySeconds: number;
  writeDocs: boolean;
  help: boolean;
}

export const usage = `usage: npm run bench:scale -- [--counts N,N,…] [--nodes N] [--steady SECONDS] [--write-docs]

Starts a real Kubernetes control plane with nodes that only pretend (kwok), as many flintlocks with machines that execute
nothing, and lime-ctrl. Declares MicroVMs, changes some, waits, deletes all, and tells what each costs: reconciles, requests
to the API server, processor time, memory. Prints a table, and writes bench/out/scale.json, scale.md and scale.svg.

  --counts N,N,…  at how many MicroVMs it is measured (100,250,500,1000)
  --nodes N       nodes, each with a flintlock (100)
  --touched N     how many MicroVMs are paused and resumed at each count (50)
  --steady N      how many seconds nothing happens (60)
  --write-docs    put the results into docs/benchmarks.md and docs/benchmarks-scale.svg
  --help          this text
`;

const flags = {
  counts: { type: 'string', default: '100,250,500,1000' },
  nodes: { type: 'string', default: '100' },
  touched: { type: 'string', default: '50' },
  steady: { type: 'string', default: '60' },
  'write-docs': { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** Throws a UsageError with what is wrong. */
export function readScaleOptions(args: string[]): ScaleOptions {
  const values = parseFlags(args, flags);
  const counts = values.counts.split(',').map((text) => numberOf('--counts', text));
  if (counts.some((count, index) => count <= (counts[index - 1] ?? 0))) {
    throw new UsageError(`--counts ${values.counts}: each is more than the one before`);
  }
  return {
    counts,
    nodes: numberOf('--nodes', values.nodes),
    touched: Math.min(numberOf('--touched', values.touched), counts[0] ?? 0),
    steadySeconds: numberOf('--steady', values.steady),
    writeDocs: values['write-docs'],
    help: values.help,
  };
}

function numberOf(flag: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new UsageError(`${flag} ${text}: a whole number from 1 on`);
  return value;
}
