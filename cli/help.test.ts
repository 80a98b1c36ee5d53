// The help texts as files, so that a change of the command line is seen; and completion covers every command.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Command } from 'commander';
import { completionScript, describeCommands } from './completion/completion.ts';
import { allCommands, commandsFor, makeProgram } from './program.ts';

const golden = join(import.meta.dirname, 'golden/help.txt');
const noContext = () => assert.fail('help needs no context');

function helpOf(command: Command): string[] {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  return [text, ...command.commands.flatMap(helpOf)];
}

test('help texts are those of golden/help.txt', async () => {
  const program = await makeProgram(noContext, allCommands);
  const texts = helpOf(program);
  const whole = texts.join(`\n${'-'.repeat(40)}\n`);
  // To accept a change: node --test cli/help.test.ts prints the new text; put it into the file.
  assert.equal(whole, readFileSync(golden, 'utf8'));
  for (const text of texts.slice(1)) {
    if (!/^Usage: vvm (disk|image|snapshot|session|pool) \[/.test(text)) assert.match(text, /Examples:/, text);
  }
});

test('one command loads one command', () => {
  assert.deepEqual(commandsFor(['execute', '--help']), ['execute']);
  for (const argv of [[], ['--help'], ['nosuch'], ['toString'], ['-V']])
    assert.deepEqual(commandsFor(argv), allCommands);
});

test('completion scripts are valid and name every command', async () => {
  const commands = describeCommands(await makeProgram(noContext, allCommands));
  for (const shell of ['bash', 'zsh', 'fish']) {
    const script = completionScript(shell, commands);
    for (const name of allCommands) assert.match(script, new RegExp(`\\b${name}\\b`), `${shell} ${name}`);
  }
  const checked = spawnSync('bash', ['-n'], { input: completionScript('bash', commands) });
  assert.equal(checked.status, 0, checked.stderr.toString());
  assert.throws(() => completionScript('tcsh', commands), { reason: 'Usage' });
});
