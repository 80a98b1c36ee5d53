// What signals mean while a program runs: the first Ctrl-C goes to the program, the second leaves; SIGTERM and SIGHUP leave.
import { TvmError } from '@tvm/api/errors.ts';
import type { RunningStream } from '../client/run-stream.ts';
import { exitCodes } from '../exit-codes.ts';

/** A run that ended because the user left; `exitCode` is the shell's convention for it. */
export class Left extends TvmError {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super('canceled', 'left');
    this.exitCode = exitCode;
  }
}

export function handleSignals(running: RunningStream): Disposable {
  let interrupts = 0;
  const onInterrupt = () => {
    interrupts += 1;
    const told = interrupts === 1 && running.control({ type: 'signal', signal: 'SIGINT' });
    if (!told) running.abandon(new Left(exitCodes.interrupted));
  };
  const leave = () => running.abandon(new Left(exitCodes.terminated));
  process.on('SIGINT', onInterrupt).on('SIGTERM', leave).on('SIGHUP', leave);
  return {
    [Symbol.dispose]() {
      process.off('SIGINT', onInterrupt).off('SIGTERM', leave).off('SIGHUP', leave);
    },
  };
}
