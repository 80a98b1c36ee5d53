// The one check command: format and lint, types, generated files, unit tests. Stops at the first that fails.
import { spawnSync } from 'node:child_process';

const steps: [name: string, command: string, args: string[]][] = [
  ['format and lint', 'biome', ['check', '--error-on-warnings', '.']],
  ['types', 'tsc', ['-p', '.']],
  ['generated files', process.execPath, ['scripts/generate.ts', '--check']],
  ['unit tests', process.execPath, ['scripts/run-tests.ts', 'unit']],
];

for (const [name, command, args] of steps) {
  const began = performance.now();
  const run = spawnSync(command, args, { stdio: 'inherit' });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  if (run.status !== 0) {
    console.error(`check: ${name} failed after ${seconds} s (${run.error?.message ?? `exit ${run.status}`})`);
    process.exit(1);
  }
  console.error(`check: ${name} ok, ${seconds} s`);
}
