// vvm completion: a script for the user's shell.
import type { Command } from 'commander';
import type { Context } from '../context.ts';

export function defineCompletion(program: Command, context: () => Context): void {
  program
    .command('completion')
    .summary('print a completion script for your shell')
    .description('Prints a completion script.')
    .argument('<SHELL>', 'bash, zsh or fish')
    .addHelpText(
      'after',
      `
Examples:
  source <(vvm completion bash)
  vvm completion zsh > ~/.zfunc/_vvm
  vvm completion fish > ~/.config/fish/completions/vvm.fish`,
    )
    .action(async (shell: string) => {
      const { completionScript, describeCommands } = await import('../completion/completion.ts');
      const { allCommands, makeProgram } = await import('../program.ts');
      const whole = await makeProgram(context, allCommands);
      await context().stdout.write(completionScript(shell, describeCommands(whole)));
    });
}
