// A watch as an HTTP answer: one JSON event a line, no more of them than the client reads.

import type { Target } from '../objects/request.ts';
import type { Services } from '../objects/services.ts';
import { StatusError, statusOf } from '../status/status-error.ts';
import { runWatch, type WatchOptions, type WatchSink } from '../watch/watch.ts';
import type { Exchange } from './exchange.ts';
import { type Presentation, presentEvent } from './present.ts';

const maximumUnreadBytes = 1024 * 1024;

export async function answerWatch(
  services: Services,
  exchange: Exchange,
  target: Target,
  options: WatchOptions,
  how: Omit<Presentation, 'nowMs'>,
): Promise<void> {
  const { response } = exchange;
  response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-cache, private' });
  response.flushHeaders();
  try {
    await runWatch(services.store, target, options, sinkOf(services, exchange, target, how));
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    response.end(`${JSON.stringify({ type: 'ERROR', object: statusOf(error) })}\n`);
  }
}

function sinkOf(
  { clock }: Services,
  { response }: Exchange,
  target: Target,
  how: Omit<Presentation, 'nowMs'>,
): WatchSink {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  let isFirst = true;
  const isFull = () => response.writableLength > maximumUnreadBytes;
  return {
    signal: gone.signal,
    send({ type, object }) {
      const shown = presentEvent(target.resource, object, { ...how, nowMs: clock.now() }, isFirst);
      isFirst = false;
      response.write(`${JSON.stringify({ type, object: shown })}\n`);
    },
    isFull,
    async drained(signal) {
      if (!isFull() || signal.aborted) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const done = () => resolve();
      response.on('drain', done);
      signal.addEventListener('abort', done);
      await promise;
      response.off('drain', done);
      signal.removeEventListener('abort', done);
    },
    end: () => (isFull() ? response.destroy() : response.end()),
  };
}
