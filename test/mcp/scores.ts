// How many scenarios passed, kept until all tests are through: the last lines of "npm run test:mcp".
import { appendFileSync, readFileSync } from 'node:fs';
import { readConfig } from '../config.ts';
import type { Conformance, Revision } from './conformance.ts';

interface Line {
  target: string;
  revision: Revision;
  passed: number;
  of: number;
  tasks: string;
}

export function noteScore(target: string, revision: Revision, { required, tasks }: Conformance): void {
  const of = required.passed.length + required.failed.length;
  const all = tasks.passed.length + tasks.failed.length;
  const line: Line = {
    target,
    revision,
    passed: required.passed.length,
    of,
    tasks: all === 0 ? '' : `, tasks ${tasks.passed.length}/${all}`,
  };
  const { mcpScores } = readConfig();
  if (mcpScores) appendFileSync(mcpScores, `${JSON.stringify(line)}\n`);
}

/** One line for each revision and target. */
export function scoreLines(file: string): string[] {
  const lines = readFileSync(file, 'utf8').trim().split('\n').filter(Boolean);
  return lines.map((text) => {
    const { target, revision, passed, of, tasks } = JSON.parse(text) as Line;
    return `MCP conformance ${revision}: ${passed}/${of}${tasks} (${target})`;
  });
}
