// The run of vvm exec: a program of a machine over the stream, attached again when the connection is lost.
import { execRequest } from '@tvm/api/rest/stream.ts';
import { endpointOf } from '../client/endpoint.ts';
import { openStream } from '../client/stream-connection.ts';
import type { Context } from '../context.ts';
import { Exit, usageError } from '../exit-codes.ts';
import { namespaceQuery } from './namespace-option.ts';
import { parseSeconds, parseVariables } from './parse-options.ts';
import { exitCodeOfProgram, runProgram } from './run-program.ts';

export interface ExecOptions {
  interactive?: boolean;
  tty?: boolean;
  namespace?: string;
  env?: string[];
  user?: string;
  workdir?: string;
  timeout?: string;
}

/** Always throws Exit with the program's exit code, or TvmError. */
export async function execIn(context: Context, name: string, argv: string[], options: ExecOptions): Promise<never> {
  const { config, progress } = context;
  const terminal = options.tty === true;
  if (terminal && options.interactive && !process.stdin.isTTY) {
    throw usageError('standard input is not a terminal', 'Leave out -t to give the program a pipe: vvm exec -i.');
  }
  const request = requestOf(argv, options, context);
  const endpoint = await endpointOf(config, progress.say);
  const path = `/v1/microvms/${encodeURIComponent(name)}/exec${namespaceQuery(options)}`;
  const exited = await runProgram({
    open: (attach) => openStream(endpoint, path, attach ?? request),
    canAttach: true,
    progress,
    output: { stdout: context.stdout.write, stderr: context.stderr.write },
    input: options.interactive ? { chunks: process.stdin, lossy: terminal } : undefined,
    terminal: terminal && options.interactive === true,
  });
  if (exited.timedOut)
    await context.stderr.write(`vvm: the time was up (--timeout ${options.timeout}), exit code 124\n`);
  throw new Exit(exitCodeOfProgram(exited));
}

function requestOf(argv: string[], options: ExecOptions, { config }: Context) {
  const { rows = 24, columns = 80 } = process.stdout;
  const request = {
    argv,
    stdin: options.interactive === true,
    ...(options.tty && { terminal: { rows: rows || 24, columns: columns || 80 } }),
    ...(options.env || options.tty ? { env: environmentOf(options, config.environment) } : {}),
    ...(options.user !== undefined && { user: options.user }),
    ...(options.workdir !== undefined && { cwd: options.workdir }),
    ...(options.timeout !== undefined && { timeoutSeconds: parseSeconds(options.timeout) }),
  };
  const checked = execRequest.safeParse(request);
  if (checked.success) return request;
  throw usageError(checked.error.issues[0]?.message ?? 'wrong request', 'See vvm exec --help.');
}

function environmentOf(options: ExecOptions, environment: Context['config']['environment']): Record<string, string> {
  const terminalType = options.tty && environment.TERM ? { TERM: environment.TERM } : {};
  return { ...terminalType, ...parseVariables(options.env ?? [], environment) };
}
