// A long-running program of a test cluster: started with its output in a log file, waited for, ended.
// Invariant: the kernel ends it with the process that started it, however that process ends (setpriv --pdeathsig).
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { TvmError } from '@tvm/api/errors.ts';

const stopDeadlineMs = 10_000;

export interface Program extends AsyncDisposable {
  name: string;
  pid: number;
  /** Whether it has ended. */
  ended(): boolean;
  /** The end of what it printed. */
  lastLines(): Promise<string>;
  /** Ends it without a warning. */
  kill(): Promise<void>;
}

export function startProgram(name: string, file: string, args: string[], logFile: string): Program {
  const log = openSync(logFile, 'a');
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', file, ...args], { stdio: ['ignore', log, log] });
  closeSync(log);
  let ended = false;
  const end = new Promise<void>((resolve) => {
    const settle = () => {
      ended = true;
      resolve();
    };
    child.once('exit', settle).once('error', settle);
  });
  return {
    name,
    pid: child.pid ?? -1,
    ended: () => ended,
    lastLines: async () => (await readFile(logFile, 'utf8')).split('\n').slice(-20).join('\n'),
    kill: () => {
      child.kill('SIGKILL');
      return end;
    },
    [Symbol.asyncDispose]: () => stop(child, end),
  };
}

async function stop(child: ChildProcess, end: Promise<void>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
  const kill = setTimeout(() => child.kill('SIGKILL'), stopDeadlineMs);
  await end;
  clearTimeout(kill);
}

/** Asks `isReady` until it says true. Throws TvmError `unavailable`, with the end of the log, when the program ends or time is up. */
export async function untilReady(program: Program, isReady: () => Promise<boolean>, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await isReady())) {
    const late = performance.now() > deadline;
    if (!late && !program.ended()) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      continue;
    }
    const what = late ? `not ready after ${timeoutMs} ms` : 'ended';
    throw new TvmError('unavailable', `${program.name}: ${what}\n${await program.lastLines()}`);
  }
}
