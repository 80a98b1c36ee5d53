// A watch as an HTTP answer: one JSON event a line. A client that does not read is cut off, so that memory stays bounded.

import type { Target } from '../objects/request.ts';
import type { Services } from '../objects/services.ts';
import { statusOf } from '../status/status-error.ts';
import { runWatch, type WatchOptions, type WatchSink } from '../watch/watch.ts';
import type { Exchange } from './exchange.ts';
import { type Presentation, presentEvent } from './present.ts';

const maximumUnreadBytes = 16 * 1024 * 1024;

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
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  let isFirst = true;
  const sink: WatchSink = {
    signal: gone.signal,
    send({ type, object }) {
      const presentation = { ...how, nowMs: services.clock.now() };
      const shown = presentEvent(target.resource, object, presentation, isFirst);
      isFirst = false;
      response.write(`${JSON.stringify({ type, object: shown })}\n`);
      if (response.writableLength <= maximumUnreadBytes) return true;
      response.destroy();
      return false;
    },
    end: () => response.end(),
  };
  try {
    await runWatch(services.store, target, options, sink);
  } catch (error) {
    response.end(`${JSON.stringify({ type: 'ERROR', object: statusOf(error) })}\n`);
  }
}
