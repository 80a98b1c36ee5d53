// One run of the command, from arguments to exit code. Invariant: a failure is said once, on standard error.
import { CommanderError } from 'commander';
import { type Context, makeContext } from './context.ts';
import { Exit, exitCodeOf, exitCodes } from './exit-codes.ts';
import { formatError } from './output/format-error.ts';
import { commandsFor, makeProgram } from './program.ts';

const runsPrograms = new Set(['execute', 'exec']);

export async function run(argv: string[]): Promise<number> {
  let made: Context | undefined;
  const context = () => {
    made ??= makeContext();
    return made;
  };
  try {
    const program = await makeProgram(context, commandsFor(argv));
    if (argv.length === 0) {
      program.outputHelp({ error: true });
      return exitCodes.usage;
    }
    await program.parseAsync(argv, { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    return await report(error, argv, made);
  }
}

async function report(error: unknown, argv: string[], context: Context | undefined): Promise<number> {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  await context?.progress.clear();
  if (!(error instanceof Exit)) {
    const text = `${formatError(error, context?.config.environment.TVM_LOG_LEVEL === 'debug')}\n`;
    // Nobody may read it; the exit code tells all the same.
    if (context) await context.stderr.write(text).catch(() => undefined);
    else process.stderr.write(text);
  }
  return exitCodeOf(error, runsPrograms.has(argv[0] ?? ''));
}
