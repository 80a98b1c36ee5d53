// The answers of a process in their order: started, output, exited.
// Invariant: a consumer sees no other order, whatever the guest sends.
import type { OutputBody } from './output-queue.ts';
import type { GuestStream } from './stream.ts';
import { violation } from './wire.ts';

export type ProcessAnswer = Extract<OutputBody, { case: 'started' | 'stdout' | 'stderr' | 'exited' }>;

/** A process that is followed: `started` first, `exited` last, output between. Leaving the iteration lets it go. */
export interface ProcessStream extends GuestStream {
  [Symbol.asyncIterator](): AsyncIterator<ProcessAnswer>;
}

export function followProcess(stream: GuestStream): ProcessStream {
  return {
    send: (input) => stream.send(input),
    cancel: () => stream.cancel(),
    [Symbol.asyncIterator]: () => inOrder(stream),
  };
}

async function* inOrder(stream: GuestStream): AsyncGenerator<ProcessAnswer> {
  let state: 'new' | 'running' | 'ended' = 'new';
  for await (const answer of stream) {
    if (answer.case === 'started' && state === 'new') state = 'running';
    else if (answer.case === 'exited' && state === 'running') state = 'ended';
    else if (state !== 'running' || (answer.case !== 'stdout' && answer.case !== 'stderr')) {
      throw violation(`an unexpected answer (${answer.case}) about a process`);
    }
    yield answer;
  }
  if (state !== 'ended') throw violation('no end of a process');
}
