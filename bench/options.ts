// The command line of the benchmark. Pure.
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';

export interface Options {
  rounds: number;
  /** How many executes one after another. */
  endurance: number;
  /** How many at once. */
  burst: number;
  sustainedSeconds: number;
  /** At most so many runs of a scenario in a round. */
  maxPerRound: number;
  /** How many machines wait to be measured. */
  idle: number;
  forks: number[];
  /** Parts of ids; empty: everything. */
  only: string[];
  writeDocs: boolean;
  help: boolean;
}

export const usage = `usage: npm run bench -- [--rounds N] [--quick] [--only NAME]... [--endurance N] [--write-docs]

Runs the product, its peers and bare QEMU in turn in one run, and loads the product. Prints tables, and writes
bench/out/results.json, results.md and results.svg. Needs root, runc, unsquashfs and QEMU; gVisor when runsc is on PATH.
Exits with 1 when something failed.

  --rounds N      rounds of the latencies (10); most are run several times in each
  --quick         one round and small loads: to see that it works, not to judge numbers
  --only NAME     only what has NAME in its id; may be given several times
  --endurance N   executes one after another, for growth (200)
  --write-docs    put the results into docs/benchmarks.md and docs/benchmarks.svg
  --help          this text

ids: python runc runsc bare-boot bare-restore guest-run guest-claim warm restored cold vvm rpc-warm fake-warm fake-rpc
     mcp-legacy mcp-modern mcp-rpc burst sustained endurance fork snapshot idle

examples:
  npm run bench                                   everything, about a quarter of an hour
  npm run bench -- --quick                        everything, a few runs of each
  npm run bench -- --only runc --only warm        two latencies beside each other
  npm run bench -- --only endurance --endurance 1000
`;

/** What the caller has to say differently. */
export class UsageError extends Error {}

const normal = { rounds: 10, endurance: 200, burst: 100, sustainedSeconds: 20, maxPerRound: 1000, idle: 16 };
const quick = { rounds: 1, endurance: 20, burst: 20, sustainedSeconds: 5, maxPerRound: 3, idle: 4 };

const flags = {
  rounds: { type: 'string' },
  endurance: { type: 'string' },
  only: { type: 'string', multiple: true },
  quick: { type: 'boolean' },
  'write-docs': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** The values of the flags. Throws a UsageError for one that is not among them. */
export function parseFlags<Flags extends ParseArgsOptionsConfig>(args: string[], options: Flags) {
  try {
    return parseArgs({ args, options }).values;
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** Throws a UsageError with what is wrong. */
export function readOptions(args: string[]): Options {
  const values = parseFlags(args, flags);
  const sizes = values.quick ? quick : normal;
  return {
    ...sizes,
    rounds: numberOf('--rounds', values.rounds, sizes.rounds),
    endurance: numberOf('--endurance', values.endurance, sizes.endurance),
    forks: values.quick ? [1, 2] : [1, 8, 32],
    only: (values.only ?? []).flatMap((each) => each.split(',')),
    writeDocs: values['write-docs'] ?? false,
    help: values.help ?? false,
  };
}

/** Throws a UsageError when a name chooses nothing. */
export function choose<T extends { id: string }>(all: readonly T[], only: readonly string[]): T[] {
  if (only.length === 0) return [...all];
  const unknown = only.find((name) => !all.some(({ id }) => id.includes(name)));
  if (unknown !== undefined) throw new UsageError(`--only ${unknown}: there is ${all.map(({ id }) => id).join(', ')}`);
  return all.filter(({ id }) => only.some((name) => id.includes(name)));
}

function numberOf(flag: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (!Number.isInteger(value) || value < 1) throw new UsageError(`${flag} ${text}: a whole number from 1 on`);
  return value;
}
