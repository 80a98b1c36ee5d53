// The conformance suite of the Model Context Protocol, run against a URL. Invariant: what a revision requires is read from the
// suite itself; a scenario that was not run has not passed.
import { globSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { makeScratchFolder } from '../cluster/scratch-folder.ts';
import { environmentWith } from '../config.ts';
import { startProgram } from '../e2e/program.ts';

export const revisions = ['2025-11-25', '2026-07-28'] as const;
export type Revision = (typeof revisions)[number];

export interface Score {
  /** Names of scenarios. */
  passed: string[];
  failed: string[];
}

export interface Conformance {
  /** Of what the revision requires. */
  required: Score;
  /** Of the tasks-* scenarios; none in 2025-11-25. */
  tasks: Score;
  /** What failed, check by check. */
  report: string;
}

export interface Target {
  url: string;
  token?: string;
}

const folder = dirname(createRequire(import.meta.url).resolve('@modelcontextprotocol/conformance/package.json'));
const timeoutMs = 1_800_000;

export async function runConformance({ url, token }: Target, revision: Revision): Promise<Conformance> {
  await using scratch = await makeScratchFolder('conformance');
  const args = ['server', '--url', url, '--requirements', revision, '-o', scratch.path];
  const authorize = new URL('./authorize.ts', import.meta.url).href;
  const env = token
    ? { NODE_OPTIONS: `--import=${authorize}`, TVM_TEST_ORIGIN: new URL(url).origin, TVM_TEST_TOKEN: token }
    : {};
  const program = startProgram(process.execPath, [join(folder, 'dist/index.js'), ...args], {
    env: environmentWith(env),
    timeoutMs,
  });
  const { stdout, stderr } = await program.finished;
  const passed = new Set([...stdout.matchAll(/^✓ ([\w-]+): \d+ passed, 0 failed/gm)].map(([, name]) => name));
  const score = (names: string[]): Score => ({
    passed: names.filter((name) => passed.has(name)),
    failed: names.filter((name) => !passed.has(name)),
  });
  const { required, tasks } = scenariosOf(revision);
  const results = { required: score(required), tasks: score(tasks) };
  const failures = [...results.required.failed, ...results.tasks.failed].map((name) => failuresOf(scratch.path, name));
  return { ...results, report: `${failures.join('\n')}\n${stderr.slice(-2_000)}` };
}

function scenariosOf(revision: Revision): { required: string[]; tasks: string[] } {
  const file = parse(readFileSync(join(folder, `requirements/${revision}.yaml`), 'utf8'));
  const { server, not_scored } = file as { server: string[]; not_scored: { scenario: string }[] };
  const others = not_scored.map(({ scenario }) => scenario);
  return { required: server, tasks: others.filter((name) => name.startsWith('tasks-')) };
}

/** Which checks of a scenario failed and why. */
function failuresOf(results: string, scenario: string): string {
  const [file] = globSync(join(results, `server-${scenario}-*`, 'checks.json'));
  if (!file) return `${scenario}: was not run`;
  const checks = JSON.parse(readFileSync(file, 'utf8')) as { id: string; status: string; errorMessage?: string }[];
  const failed = checks.filter(({ status }) => status === 'FAILURE');
  return failed.map(({ id, errorMessage }) => `${scenario}: ${id}: ${errorMessage}`).join('\n');
}
