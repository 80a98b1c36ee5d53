// Runs one tier of tests with node:test: unit (*.test.ts), vm (*.vm.test.ts), api (*.api.test.ts), cluster (*.cluster.test.ts),
// mcp (*.mcp.test.ts).
// A tier without a test file is an error. Further arguments are name filters or node --test flags.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { obtainKubernetes } from '../test/cluster/obtain.ts';
import { readConfig } from '../test/config.ts';

interface Tier {
  matches: (file: string) => boolean;
  flags: string[];
  /** Into so many processes the files are dealt out, which run at once. */
  processes?: number;
}

const tiers: Record<string, Tier> = {
  unit: {
    matches: (file) => !/\.(vm|api|cluster|firecracker|mcp)\.test\.ts$/.test(file),
    // Loading the modules of each file anew takes longer than most of the tests.
    flags: ['--test-timeout=60000', '--test-isolation=none'],
    processes: 3 * availableParallelism(),
  },
  vm: { matches: (file) => file.endsWith('.vm.test.ts'), flags: ['--test-timeout=600000', '--test-concurrency=1'] },
  api: {
    matches: (file) => file.endsWith('.api.test.ts'),
    flags: ['--test-timeout=120000', '--test-concurrency=1', '--test-global-setup=test/cluster/global-setup.ts'],
  },
  cluster: {
    matches: (file) => file.endsWith('.cluster.test.ts'),
    flags: ['--test-timeout=900000', '--test-concurrency=1'],
  },
  mcp: { matches: (file) => file.endsWith('.mcp.test.ts'), flags: ['--test-timeout=1800000', '--test-concurrency=1'] },
};

const [name = '', ...rest] = process.argv.slice(2);
const tier = tiers[name];
if (!tier) {
  console.error(`usage: node scripts/run-tests.ts ${Object.keys(tiers).join('|')} [FILE-FILTER|--FLAG]...`);
  process.exit(2);
}
const filters = rest.filter((argument) => !argument.startsWith('--'));
const flags = rest.filter((argument) => argument.startsWith('--'));
const files = globSync('*/**/*.test.ts', { exclude: (path) => path.includes('node_modules') })
  .filter((file) => tier.matches(file) && (filters.length === 0 || filters.some((filter) => file.includes(filter))))
  .sort();
if (files.length === 0) {
  console.error(`run-tests: no test file in tier ${name} matches ${filters.join(' ') || 'it'}`);
  process.exit(1);
}
// Compiling it takes longer than a test may, once.
if (name !== 'unit') await obtainKubernetes(readConfig(), (line) => console.error(`run-tests: ${line}`));

/** The exit code. What several print at once is shown one after the other. */
async function run(tierFlags: string[], some: string[], alone: boolean): Promise<number> {
  const args = ['--test', ...tierFlags, ...flags, ...some];
  const child = spawn(process.execPath, args, { stdio: ['inherit', alone ? 'inherit' : 'pipe', 'inherit'] });
  const printed: Buffer[] = [];
  child.stdout?.on('data', (bytes: Buffer) => printed.push(bytes));
  const [code] = (await once(child, 'close')) as [number | null];
  process.stdout.write(Buffer.concat(printed));
  return code ?? 1;
}

const count = Math.min(files.length, tier.processes ?? 1);
// The largest first, so that each process gets its share of them.
const bySize = count === 1 ? files : files.toSorted((a, b) => statSync(b).size - statSync(a).size);
const hands = Array.from({ length: count }, (_, hand) => bySize.filter((_file, at) => at % count === hand));
process.exitCode = Math.max(...(await Promise.all(hands.map((hand) => run(tier.flags, hand, count === 1)))));
