// Runs one tier of tests with node:test: unit (*.test.ts), vm (*.vm.test.ts), api (*.api.test.ts), cluster (*.cluster.test.ts),
// mcp (*.mcp.test.ts).
// A tier without a test file is an error. Further arguments are name filters or node --test flags.
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';

const tiers: Record<string, { matches: (file: string) => boolean; flags: string[] }> = {
  unit: {
    matches: (file) => !/\.(vm|api|cluster|firecracker|mcp)\.test\.ts$/.test(file),
    flags: ['--test-timeout=60000', `--test-concurrency=${2 * availableParallelism()}`],
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
const run = spawnSync(process.execPath, ['--test', ...tier.flags, ...flags, ...files], { stdio: 'inherit' });
process.exit(run.status ?? 1);
