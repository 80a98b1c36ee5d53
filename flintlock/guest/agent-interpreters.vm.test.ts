// Interpreters that wait: whatever runs in one is what a new one makes of it. The real agent, without a VM.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { type Language, outcomeOf, runBoth } from './testing/interpreter-runs.ts';
import { pythonPrograms } from './testing/python-programs.ts';
import { startAgent } from './testing/real-agent.ts';

const agent = await startAgent();
const connection = await agent.connect();
after(async () => {
  connection.close();
  await agent[Symbol.asyncDispose]();
});

const python: Language = { interpreter: 'python', command: ['python3', '-u'], file: 'main.py' };

for (const program of pythonPrograms) {
  test(`python: a program that ${program.name}`, async () => {
    const { fresh, waiting } = await runBoth(connection, agent, python, program);
    assert.deepEqual(outcomeOf(waiting), outcomeOf(fresh));
  });
}
