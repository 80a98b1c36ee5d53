// An answer that may take long: as it is when it comes soon, else a stream that is kept alive until it comes. Invariant: the same
// message reaches the client either way; a client that leaves is known to whoever makes the answer.
import type { Clock } from '@tvm/kit/clock.ts';

const soonMs = 3_000;
const keepAliveMs = 15_000;
const encoder = new TextEncoder();
const keepAlive = encoder.encode(': keepalive\n\n');

/** `leave` is called when the client leaves the stream before the answer has come. */
export async function patientResponse(
  answer: Promise<Response>,
  { clock, leave }: { clock: Clock; leave: () => void },
): Promise<Response> {
  const settled = new AbortController();
  const late = clock.sleep(soonMs, settled.signal).then(() => undefined);
  const soon = await Promise.race([answer, late]).finally(() => settled.abort());
  return soon ?? stream(answer, clock, leave);
}

function stream(answer: Promise<Response>, clock: Clock, leave: () => void): Response {
  const over = new AbortController();
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(keepAlive);
      void answer.finally(() => over.abort()).catch(() => {});
      void keepAliveUntil(controller, clock, over.signal);
    },
    async pull(controller) {
      // Asked for after the first comment was taken: from here on the answer itself sets the pace.
      const response = await answer;
      for await (const bytes of framesOf(response)) controller.enqueue(bytes);
      controller.close();
    },
    cancel() {
      over.abort();
      leave();
    },
  });
  const headers = {
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  };
  return new Response(body, { headers });
}

async function keepAliveUntil(
  controller: ReadableStreamDefaultController<Uint8Array>,
  clock: Clock,
  over: AbortSignal,
): Promise<void> {
  while (!over.aborted) {
    await clock.sleep(keepAliveMs, over);
    if (!over.aborted) controller.enqueue(keepAlive);
  }
}

/** The answer as events; one that is events already as it is. */
async function* framesOf(response: Response): AsyncIterable<Uint8Array> {
  if (response.headers.get('content-type')?.startsWith('text/event-stream')) {
    yield* response.body ?? [];
    return;
  }
  const message = await response.text();
  if (message !== '') yield encoder.encode(`event: message\ndata: ${message}\n\n`);
}
