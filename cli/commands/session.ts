// vvm session: machines for AI agents, reached over the Model Context Protocol.
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { namespaceOption } from './namespace-option.ts';
import { allowHelp, egressHelp } from './network-options.ts';
import { limitHelp, pullSecretHelp } from './parse-limits.ts';
import { collect } from './parse-options.ts';
import type {
  ConnectOptions,
  CreateSessionOptions,
  ListSessionsOptions,
  SessionOptions,
  WaitForSessionOptions,
} from './session-run.ts';

const run = () => import('./session-run.ts');

export function defineSession(program: Command, context: () => Context): void {
  const session = program
    .command('session')
    .summary('machines for AI agents, over MCP')
    .description(
      'Machines for AI agents: each session is one URL that speaks the Model Context Protocol, and a token.',
    );
  defineCreate(session, context);
  session
    .command('list')
    .alias('ls')
    .description('Shows all sessions of a namespace.')
    .addOption(namespaceOption())
    .option('-o, --output <format>', 'table, wide, json, yaml or name', 'table')
    .addHelpText('after', '\nExamples:\n  vvm session list\n  vvm session list -o wide')
    .action(async (options: ListSessionsOptions) => (await run()).list(context(), options));
  defineConnect(session, context);
  session
    .command('token')
    .description('Prints the token that a session has now, for scripts.')
    .argument('<NAME>', 'the session')
    .option('--headers', 'print {"Authorization": "Bearer TOKEN"} instead, as some clients ask a program for')
    .addOption(namespaceOption())
    .addHelpText('after', '\nExamples:\n  curl -H "Authorization: Bearer $(vvm session token agent)" URL')
    .action(async (name: string, options: SessionOptions & { headers?: boolean }) =>
      (await run()).token(context(), name, options),
    );
  session
    .command('rotate')
    .description('Makes a new token; all older ones are refused from now on.')
    .argument('<NAME>', 'the session')
    .addOption(namespaceOption())
    .addHelpText('after', '\nExamples:\n  vvm session rotate agent && vvm session connect agent')
    .action(async (name: string, options: SessionOptions) => (await run()).rotate(context(), name, options));
  session
    .command('end')
    .aliases(['delete', 'rm'])
    .description('Ends sessions; machines that they made go with them.')
    .argument('<NAME...>', 'the sessions')
    .addOption(namespaceOption())
    .option('--no-wait', 'do not wait until they are gone')
    .option('--timeout <time>', 'wait at most this long', '60')
    .addHelpText('after', '\nExamples:\n  vvm session end agent')
    .action(async (names: string[], options: WaitForSessionOptions) => (await run()).end(context(), names, options));
}

function defineCreate(session: Command, context: () => Context): void {
  session
    .command('create')
    .description('Declares a session and waits until an agent can work in it.')
    .argument('[NAME]', 'its name (default: a generated one)')
    .option('--vm <machine>', 'work in this machine, which was made with --mcp (default: one of its own)')
    .option('--image <reference>', "of its own machine (default: the first pool's, or tvm/node)")
    .option('--cpu <count>', 'virtual CPUs of its own machine')
    .option('--memory <size>', 'memory of its own machine in MB, or 512M, 2G')
    .option('--egress <policy>', egressHelp)
    .option('--allow <what>', allowHelp, collect)
    .option('--limit <name=number>', limitHelp, collect)
    .option('--pull-secret <name>', pullSecretHelp, collect)
    .option('--idle-timeout <time>', 'end it when nobody called for this long')
    .option('--ttl <time>', 'end it after this: seconds, or 90s, 5m, 2h')
    .option('--scope <scope>', 'vm:read, vm:exec, vm:files or vm:admin; may be repeated (default: all)', collect)
    .option('--user <name>', 'who it is for (default: you)')
    .option('--group <name>', 'whose quota it counts against (default: your first group)')
    .addOption(namespaceOption())
    .option('--no-wait', 'do not wait until it is ready')
    .option('--timeout <time>', 'wait at most this long', '5m')
    .option('-o, --output <format>', 'table, wide, json, yaml or name', 'name')
    .addHelpText(
      'after',
      `
Examples:
  vvm session create agent && vvm session connect agent
  vvm session create --image tvm/node --memory 1G --idle-timeout 30m
  vvm session create --allow pypi.org:443 --allow '*.pythonhosted.org:443' --limit processes=256
  vvm session create reader --vm demo --scope vm:read --scope vm:files`,
    )
    .action(async (name: string | undefined, options: CreateSessionOptions) => {
      await (await run()).create(context(), name, options);
    });
}

function defineConnect(session: Command, context: () => Context): void {
  session
    .command('connect')
    .description('Prints the settings that MCP clients need for a session, its token among them.')
    .argument('<NAME>', 'the session')
    .option('--client <client>', 'claude-code, claude-desktop, cursor, vscode, codex or inspector (default: all)')
    .option('--json', 'print them as JSON')
    .addOption(namespaceOption())
    .addHelpText(
      'after',
      `
Examples:
  vvm session connect agent
  vvm session connect agent --client claude-code
  vvm session connect agent --json | jq -r .url`,
    )
    .action(async (name: string, options: ConnectOptions) => (await run()).connect(context(), name, options));
}
