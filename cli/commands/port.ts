// vvm port: ports inside a machine, from here.
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { namespaceOption } from './namespace-option.ts';
import type { PortOptions } from './port-run.ts';

export function definePort(program: Command, context: () => Context): void {
  program
    .command('port')
    .summary('reach a port inside a machine')
    .description(
      'Forwards a port of this computer to a port inside a machine, until Ctrl-C; or prints a URL for an HTTP server there. The machine needs no network for it.',
    )
    .argument('<NAME>', 'the machine')
    .argument('<PORT>', 'the port inside it, where something listens on 127.0.0.1 or 0.0.0.0')
    .option('--listen <address>', 'where to listen here: PORT, or HOST:PORT; 0 is any port (default: 127.0.0.1:PORT)')
    .option('--url', 'print a URL that works without a token until it expires, and end')
    .option('--ttl <time>', 'how long the URL lasts: seconds, or 90s, 5m, at most 1h (default: 15m)')
    .addOption(namespaceOption('namespace of the machine'))
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
A URL is a secret: whoever has it reaches the port. Its pages run in a sandbox, without cookies and local storage; a
forwarded port has no such limits and carries any protocol over TCP.

Examples:
  vvm port demo 8000
  vvm port demo 5432 --listen 0
  vvm port demo 8000 --url --ttl 5m
  curl "$(vvm port demo 8000 --url)index.html"`,
    )
    .action(async (name: string, port: string, options: PortOptions) => {
      const { reachPort } = await import('./port-run.ts');
      await reachPort(context(), name, port, options);
    });
}
