// vvm doctor: can machines run here, and if not, what to do.
import type { Command } from 'commander';
import type { Context } from '../context.ts';

export function defineDoctor(program: Command, context: () => Context): void {
  program
    .command('doctor')
    .summary('check this machine')
    .description(
      'Checks what machines need here, and says what to do about what is missing. Changes nothing, unless it is told to install.',
    )
    .option('--install-firecracker', 'first download Firecracker and its jailer, checked, into the cache')
    .option('-o, --output <format>', 'table, json or yaml', 'table')
    .addHelpText(
      'after',
      `
Exit codes: 0 machines can run; 1 something that they need is missing.

Examples:
  vvm doctor
  vvm doctor --install-firecracker
  vvm doctor -o json | jq '.checks[] | select(.state != "ok")'`,
    )
    .action(async (options: { output: string; installFirecracker?: boolean }) => {
      if (options.installFirecracker) {
        const { install } = await import('../doctor/install-run.ts');
        await install(context());
      }
      const { doctor } = await import('../doctor/doctor.ts');
      await doctor(context(), options.output);
    });
}
