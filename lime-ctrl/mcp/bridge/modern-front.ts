// One request of a client of 2026-07-28: answered with JSON when nothing comes before the answer, else with a stream of
// events. Invariants: a client that leaves cancels its request; one that does not read is cut off; a request whose server is
// silent for too long is answered with an error.
import type { Clock } from '@tvm/kit/clock.ts';
import { codes, errorOf, type Message, type RpcRequest, type RpcResponse } from './messages.ts';
import type { Mux } from './mux.ts';

const unreadBytes = 4_194_304;
/** A proxy on the way gives up on a request that is silent for long: until then it becomes a stream, with comments. */
const silenceMs = 10_000;
const answerMs = 600_000;

/** Errors that are said by the HTTP status too. */
const statusOf: Record<number, number> = { [-32601]: 404, [-32020]: 400, [-32021]: 400, [-32022]: 400 };

const streamHeaders = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
};

export function serveRequest(request: RpcRequest, mux: Mux, signal: AbortSignal, clock: Clock): Promise<Response> {
  const { promise, resolve } = Promise.withResolvers<Response>();
  const over = new AbortController();
  let stream: ReadableStreamDefaultController<Uint8Array> | undefined;
  let heardMs = clock.now();

  function write(text: string): void {
    if (!stream || over.signal.aborted) return;
    if ((stream.desiredSize ?? 0) > 0) stream.enqueue(Buffer.from(text));
    else cutOff();
  }

  const writeMessage = (message: Message) => write(`event: message\ndata: ${JSON.stringify(message)}\n\n`);

  function openStream(): void {
    if (stream || over.signal.aborted) return;
    const strategy = { highWaterMark: unreadBytes, size: (chunk?: Uint8Array) => chunk?.length ?? 0 };
    const source = {
      start(controller: ReadableStreamDefaultController<Uint8Array>) {
        stream = controller;
      },
      cancel: () => leave(),
    };
    resolve(new Response(new ReadableStream(source, strategy), { headers: streamHeaders }));
  }

  function finish(): void {
    over.abort();
    signal.removeEventListener('abort', leave);
  }

  function leave(): void {
    if (over.signal.aborted) return;
    cancel();
    finish();
    resolve(new Response(null, { status: 499 }));
  }

  function cutOff(): void {
    leave();
    stream?.close();
  }

  function respond(response: RpcResponse): void {
    if (over.signal.aborted) return;
    if (stream) {
      writeMessage(response);
      finish();
      stream.close();
      return;
    }
    finish();
    const status = 'error' in response ? (statusOf[response.error.code] ?? 200) : 200;
    resolve(Response.json(response, { status }));
  }

  async function keepAlive(): Promise<void> {
    while (!over.signal.aborted) {
      await clock.sleep(silenceMs, over.signal);
      openStream();
      write(': keep-alive\n\n');
      if (request.method === 'subscriptions/listen' || clock.now() - heardMs < answerMs) continue;
      cancel();
      respond(errorOf(request.id, codes.timeOut, `the server was silent for ${answerMs / 60_000} minutes`));
    }
  }

  const cancel = mux.request(request, {
    respond,
    notify(notification) {
      heardMs = clock.now();
      openStream();
      writeMessage(notification);
    },
  });
  signal.addEventListener('abort', leave, { once: true });
  if (signal.aborted) leave();
  void keepAlive();
  return promise;
}
