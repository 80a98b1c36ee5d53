// A program of the node that a test stops, kills and starts again with the same arguments.
import type { Program } from '../child.ts';

export interface ReplaceableProgram extends AsyncDisposable {
  /** The process that runs now. */
  current(): Program;
  /** Ends it without a warning; nothing starts it again. */
  kill(): Promise<void>;
  /** Starts it when it does not run. */
  start(): void;
  /** kill, then start. */
  restart(): Promise<void>;
}

export function makeReplaceable(launch: () => Program): ReplaceableProgram {
  let program = launch();
  const start = () => {
    if (program.ended()) program = launch();
  };
  return {
    current: () => program,
    kill: () => program.kill(),
    start,
    restart: async () => {
      await program.kill();
      start();
    },
    [Symbol.asyncDispose]: () => program.kill(),
  };
}
