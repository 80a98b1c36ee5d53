// What execute and exec share: a stream between this process's standard streams and a program in a machine.
import type { Exited, RunStreamDeps, Started } from '../client/run-stream.ts';
import { runStream } from '../client/run-stream.ts';
import { Exit, exitCodes } from '../exit-codes.ts';
import type { Progress } from '../output/progress.ts';
import { enterRawMode } from '../terminal/raw-terminal.ts';
import { handleSignals, Left } from '../terminal/signals.ts';

export interface ProgramRun extends Pick<RunStreamDeps, 'open' | 'canAttach' | 'output' | 'input'> {
  progress: Progress;
  /** Raw mode, resizes. */
  terminal?: boolean;
  onStarted?: (started: Started) => void;
}

/** Gives how the program ended. Throws Exit when the user left or nobody reads, TvmError when the product failed. */
export async function runProgram(run: ProgramRun): Promise<Exited> {
  const running = runStream({
    open: run.open,
    canAttach: run.canAttach,
    input: run.input,
    output: {
      stdout: afterClear(run.progress, run.output.stdout),
      stderr: afterClear(run.progress, run.output.stderr),
    },
    onProgress: (message) => run.progress.say(message),
    onStarted(started) {
      void run.progress.clear();
      run.onStarted?.(started);
    },
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  });
  const onResize = () => {
    const { rows, columns } = process.stdout;
    if (rows && columns) running.control({ type: 'resize', rows, columns });
  };
  using _signals = handleSignals(running);
  using _raw = run.terminal ? enterRawMode(process.stdin) : undefined;
  if (run.terminal) process.stdout.on('resize', onResize);
  try {
    return await running.result;
  } catch (error) {
    if (error instanceof Exit) running.abandon(new Left(error.code));
    if (error instanceof Left) throw new Exit(error.exitCode);
    throw error;
  } finally {
    process.stdout.off('resize', onResize);
    await run.progress.clear();
  }
}

function afterClear(progress: Progress, write: (bytes: Buffer) => Promise<void>): (bytes: Buffer) => Promise<void> {
  return async (bytes) => {
    await progress.clear();
    await write(bytes);
  };
}

/** The guest's exit code; 124 with a word about it when the time was up. */
export function exitCodeOfProgram(exited: Exited): number {
  return exited.timedOut ? exitCodes.timedOut : exited.exitCode;
}
