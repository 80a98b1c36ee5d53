// Interpreters that wait: whatever runs in one is what a new one makes of it. The real agent, without a VM.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { type Language, outcomeOf, type Program, runBoth } from './testing/interpreter-runs.ts';
import { nodePrograms } from './testing/node-programs.ts';
import { pythonPrograms } from './testing/python-programs.ts';
import { startAgent } from './testing/real-agent.ts';

const agent = await startAgent();
const connection = await agent.connect();
after(async () => {
  connection.close();
  await agent[Symbol.asyncDispose]();
});

const python: Language = { interpreter: 'python', command: ['python3', '-u'], file: 'main.py' };

const node: Language = { interpreter: 'node', command: ['node'], file: 'main.js' };

const table: [Language, Program[]][] = [
  [python, pythonPrograms],
  [node, nodePrograms],
];

for (const [language, programs] of table) {
  for (const program of programs) {
    test(`${language.interpreter}: a program that ${program.name}`, async () => {
      const { fresh, waiting } = await runBoth(connection, agent, language, program);
      assert.deepEqual(outcomeOf(waiting), outcomeOf(fresh));
    });
  }
}
