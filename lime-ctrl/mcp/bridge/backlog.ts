// What clients have not read yet of the streams of one connection. Invariant: it is known to the byte, so that a server can be
// made to wait for a client that is slow.
export interface Backlog {
  /** The same response, its body counted until the client took it. `onEnd` runs once, at the end or when the client left. */
  watch(response: Response, onEnd?: () => void): Response;
  /** Resolves when there is room for more; false when that took too long. */
  room(timeoutMs: number): Promise<boolean>;
}

export function makeBacklog(maxBytes: number): Backlog {
  let waitingBytes = 0;
  const waiters = new Set<() => void>();

  function took(bytes: number): void {
    waitingBytes -= bytes;
    if (waitingBytes >= maxBytes) return;
    for (const wake of [...waiters]) wake();
  }

  function watch(response: Response, onEnd = () => {}): Response {
    if (!response.body) {
      onEnd();
      return response;
    }
    const reader = response.body.getReader();
    const queue: Uint8Array[] = [];
    let arrived = () => {};
    let done = false;

    async function readAll(): Promise<void> {
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        waitingBytes += part.value.length;
        queue.push(part.value);
        arrived();
      }
    }

    function finish(): void {
      if (done) return;
      done = true;
      arrived();
      onEnd();
    }

    readAll().then(finish, finish);
    const body = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          while (queue.length === 0 && !done) {
            await new Promise<void>((resolve) => {
              arrived = resolve;
            });
          }
          const chunk = queue.shift();
          if (!chunk) return controller.close();
          controller.enqueue(chunk);
          took(chunk.length);
        },
        async cancel(reason) {
          took(queue.splice(0).reduce((sum, { length }) => sum + length, 0));
          finish();
          await reader.cancel(reason);
        },
      },
      { highWaterMark: 0 },
    );
    return new Response(body, { status: response.status, headers: response.headers });
  }

  async function room(timeoutMs: number): Promise<boolean> {
    if (waitingBytes < maxBytes) return true;
    return new Promise((resolve) => {
      const settle = (there: boolean) => () => {
        clearTimeout(timer);
        waiters.delete(wake);
        resolve(there);
      };
      const wake = settle(true);
      const timer = setTimeout(settle(false), timeoutMs);
      waiters.add(wake);
    });
  }

  return { watch, room };
}
