// A program as a test runs it: input given, output collected as bytes, end awaited. It never outlives its owner's dispose.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

export interface ProgramOptions {
  env?: NodeJS.ProcessEnv;
  /** `open`: stays open until the test ends it. Nothing: end of file at once. */
  stdin?: string | Uint8Array | 'open';
  /** False: the output is left in the pipe, as by a client that does not read. */
  reads?: boolean;
  /** Killed when it takes longer. */
  timeoutMs?: number;
}

export interface Finished {
  /** Exit code, or 128 + n when signal n ended it. */
  code: number;
  stdout: string;
  stderr: string;
  /** What `stdout` is the text of. */
  bytes: Buffer;
}

export interface Program extends AsyncDisposable {
  pid: number;
  child: ChildProcess;
  /** What it printed so far. */
  stdout(): string;
  stderr(): string;
  finished: Promise<Finished>;
}

const signalNumbers: Partial<Record<NodeJS.Signals, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

export function startProgram(file: string, args: string[], options: ProgramOptions = {}): Program {
  const child = spawn(file, args, { env: options.env, stdio: 'pipe' });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  if (options.reads !== false) child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  child.stdin.on('error', () => undefined); // a program that ends without reading is judged by its exit code
  if (options.stdin !== 'open') child.stdin.end(options.stdin ?? '');
  const late = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 120_000);
  const finished = ending(child, options.reads !== false).then((code) => {
    clearTimeout(late);
    const bytes = Buffer.concat(out);
    return { code, bytes, stdout: bytes.toString(), stderr: Buffer.concat(err).toString() };
  });
  return {
    pid: child.pid ?? -1,
    child,
    stdout: () => Buffer.concat(out).toString(),
    stderr: () => Buffer.concat(err).toString(),
    finished,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await finished;
    },
  };
}

async function ending(child: ChildProcess, withOutput: boolean): Promise<number> {
  const [code, signal] = (await once(child, withOutput ? 'close' : 'exit')) as [number | null, NodeJS.Signals | null];
  return code ?? 128 + ((signal && signalNumbers[signal]) ?? 0);
}
