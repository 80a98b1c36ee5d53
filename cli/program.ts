// The command line as a commander program. Invariant: only the commands asked for are loaded, so that starting is quick.
import { Command } from 'commander';
import type { Context } from './context.ts';
import { productVersion } from './version.ts';

export type Define = (program: Command, context: () => Context) => void;

const machines = () => import('./commands/machines.ts');
const service = () => import('./commands/service.ts');

/** In the order of the help. */
const commands: Record<string, () => Promise<Define>> = {
  execute: async () => (await import('./commands/execute.ts')).defineExecute,
  create: async () => (await machines()).defineCreate,
  get: async () => (await machines()).defineGet,
  list: async () => (await machines()).defineList,
  delete: async () => (await machines()).defineDelete,
  start: async () => (await machines()).defineAction('start'),
  stop: async () => (await machines()).defineAction('stop'),
  pause: async () => (await machines()).defineAction('pause'),
  resume: async () => (await machines()).defineAction('resume'),
  fork: async () => (await import('./commands/fork.ts')).defineFork,
  exec: async () => (await import('./commands/exec.ts')).defineExec,
  cp: async () => (await import('./commands/copy.ts')).defineCopy,
  port: async () => (await import('./commands/port.ts')).definePort,
  logs: async () => (await import('./commands/logs.ts')).defineLogs,
  stats: async () => (await import('./commands/stats.ts')).defineStats,
  snapshot: async () => (await import('./commands/snapshot.ts')).defineSnapshot,
  disk: async () => (await import('./commands/disk.ts')).defineDisk,
  session: async () => (await import('./commands/session.ts')).defineSession,
  pool: async () => (await import('./commands/pool.ts')).definePool,
  image: async () => (await import('./commands/image.ts')).defineImage,
  up: async () => (await service()).defineUp,
  down: async () => (await service()).defineDown,
  status: async () => (await service()).defineStatus,
  doctor: async () => (await import('./commands/doctor.ts')).defineDoctor,
  kubectl: async () => (await import('./commands/kubectl.ts')).defineKubectl,
  completion: async () => (await import('./commands/completion.ts')).defineCompletion,
  version: async () => (await import('./commands/version.ts')).defineVersion,
};

export const allCommands = Object.keys(commands);

/** The commands to load for what was typed: one when it names one, else all. */
export function commandsFor(argv: string[]): string[] {
  const [first = ''] = argv;
  return Object.hasOwn(commands, first) ? [first] : allCommands;
}

export async function makeProgram(context: () => Context, names: string[]): Promise<Command> {
  const program = new Command('vvm')
    .description('Runs untrusted code in microVMs, each a throw-away machine with its own kernel.')
    .version(productVersion(), '-V, --version', 'print the version')
    .enablePositionalOptions()
    .exitOverride()
    .configureHelp({ helpWidth: 100, showGlobalOptions: false })
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'vvm: ')) })
    .showHelpAfterError('  See vvm --help, vvm COMMAND --help.')
    .addHelpText(
      'after',
      `
Exit codes: execute and exec end with the guest's (124 time was up, 125 the product failed); the others with 0 or 1; 2 is wrong usage.

Environment: TVM_SERVER with TVM_TOKEN or TVM_TOKEN_FILE uses a server elsewhere, TVM_NAMESPACE is the namespace without -n.

Examples:
  vvm execute "print('Hello from Firecracker!')"
  vvm create demo && vvm exec -it demo -- bash
  vvm status`,
    );
  // A variable that is empty is not set.
  program.hook('preAction', (_, command) => {
    if (command.opts().namespace === '') command.setOptionValue('namespace', undefined);
  });
  for (const name of names) {
    const define = await commands[name]?.();
    define?.(program, context);
  }
  return program;
}
