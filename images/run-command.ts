// Child processes. Invariants: captured output is bounded; when the caller cancels, the time is up, or this process dies in
// any way, the command and all that it started end.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { TvmError } from '@tvm/api/errors.ts';
import { commandEnvironment } from './config.ts';
import { requireTool } from './tools.ts';

const maxStdoutBytes = 16 * 1024 * 1024;
const maxStderrBytes = 64 * 1024;
const killGraceMs = 3000;

type StopSignal = 'SIGTERM' | 'SIGKILL';

export interface Command {
  /** Program name; found on PATH. */
  program: string;
  args: string[];
  cwd?: string;
  /** Added to this process's environment. */
  env?: Record<string, string>;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
  /** A descriptor of this process that the command gets as its descriptor 3. */
  passed?: number;
  /** Each line of both outputs, as it comes. */
  onLine?: (line: string) => void;
}

export interface CommandResult {
  exitCode: number;
  stdout: Buffer;
  /** The last 64 KiB. */
  stderr: string;
}

/**
 * Runs to the end and returns the exit code, whatever it is. Throws `failed_precondition` for a missing program, `canceled`,
 * `deadline_exceeded`, and `resource_exhausted` for more than 16 MiB on stdout.
 */
export async function runCommand(command: Command): Promise<CommandResult> {
  const program = requireTool(command.program);
  if (command.signal?.aborted) throw canceled(command);
  const { prefix, wholeTree } = containment();
  const [first = program, ...rest] = [...prefix, program, ...command.args];
  const child = spawn(first, rest, {
    cwd: command.cwd,
    env: { ...commandEnvironment, ...command.env },
    stdio: ['ignore', 'pipe', 'pipe', ...(command.passed === undefined ? [] : [command.passed])],
    detached: true,
  });
  return await supervise(child, command, wholeTree ? 'SIGKILL' : 'SIGTERM');
}

/** Like runCommand, but any exit code other than 0 is an `internal` error with the end of stderr. */
export async function runChecked(command: Command): Promise<CommandResult> {
  const result = await runCommand(command);
  if (result.exitCode === 0) return result;
  const lastLines = result.stderr.trim().split('\n').slice(-5).join('\n');
  throw new TvmError('internal', `${command.program} failed (exit ${result.exitCode}): ${lastLines || 'no message'}`);
}

async function supervise(child: ChildProcess, command: Command, stopSignal: StopSignal): Promise<CommandResult> {
  let failure: TvmError | undefined;
  let killTimer: NodeJS.Timeout | undefined;
  const stop = (error: TvmError) => {
    failure ??= error;
    signalGroup(child, stopSignal);
    killTimer ??= setTimeout(() => signalGroup(child, 'SIGKILL'), killGraceMs);
  };
  const onAbort = () => stop(canceled(command));
  const deadline = setTimeout(() => stop(timedOut(command)), command.timeoutMs);
  command.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const output = captureOutput(child, command, stop);
    const exitCode = await exited(child, command);
    if (failure) throw failure;
    return { exitCode, ...output() };
  } finally {
    clearTimeout(deadline);
    clearTimeout(killTimer);
    command.signal?.removeEventListener('abort', onAbort);
    if (failure) signalGroup(child, 'SIGKILL');
  }
}

function captureOutput(child: ChildProcess, command: Command, stop: (error: TvmError) => void) {
  const stdout: Buffer[] = [];
  let stdoutBytes = 0;
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    stdoutBytes += chunk.length;
    if (stdoutBytes > maxStdoutBytes) stop(new TvmError('resource_exhausted', `${command.program} printed too much`));
    else stdout.push(chunk);
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-maxStderrBytes);
  });
  if (command.onLine) {
    for (const stream of [child.stdout, child.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', command.onLine);
    }
  }
  return () => ({ stdout: Buffer.concat(stdout), stderr });
}

function exited(child: ChildProcess, command: Command): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (cause) =>
      reject(new TvmError('internal', `cannot start ${command.program}: ${cause.message}`, { cause })),
    );
    child.once('close', (code, signal) => resolve(code ?? 128 + (signal === 'SIGKILL' ? 9 : 15)));
  });
}

function signalGroup(child: ChildProcess, signal: StopSignal): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function canceled(command: Command): TvmError {
  return new TvmError('canceled', `${command.program} was canceled`);
}

function timedOut(command: Command): TvmError {
  const seconds = Math.round(command.timeoutMs / 1000);
  return new TvmError('deadline_exceeded', `${command.program} did not end within ${seconds} s`);
}

interface Containment {
  /** Put before each command. */
  prefix: string[];
  /** The kernel ends all that the command started together with it: it has its own process and mount namespaces. */
  wholeTree: boolean;
}

let containmentOfHost: Containment | undefined;

/** The strongest way that this host allows for a command to end with this process. */
function containment(): Containment {
  const dieWithParent = ['setpriv', '--pdeathsig', 'KILL', '--'];
  const ownNamespaces = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', '--'];
  const candidates = [
    { prefix: [...dieWithParent, ...ownNamespaces], wholeTree: true },
    { prefix: dieWithParent, wholeTree: false },
  ];
  containmentOfHost ??= candidates.find(({ prefix }) => works(prefix)) ?? { prefix: [], wholeTree: false };
  return containmentOfHost;
}

function works([program = '', ...args]: string[]): boolean {
  return spawnSync(program, [...args, 'true']).status === 0;
}
