// A response whose end is known. Invariant: the pace of whoever reads it is kept.

/**
 * Calls `end` once: when the last byte of a stream was taken or the client left, at once for an answer that is complete. `first`
 * goes before what a stream has.
 */
export function withEnd(response: Response, end: () => void, first?: Uint8Array): Response {
  if (!response.headers.get('content-type')?.startsWith('text/event-stream') || !response.body) {
    end();
    return response;
  }
  let ended = false;
  const endOnce = () => {
    if (!ended) end();
    ended = true;
  };
  const reader = response.body.getReader();
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        if (first) controller.enqueue(first);
      },
      async pull(controller) {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        // A client that has left is not told of the end.
        if (!ended) controller.close();
        endOnce();
      },
      async cancel(reason) {
        endOnce();
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { status: response.status, headers: response.headers });
}
