// A connection to a port inside a machine, as a stream. Invariants: nothing is read from the node before it was taken here, and
// a write is done when the node took it; each direction ends on its own; destroying it closes the connection in the guest.
import { Duplex } from 'node:stream';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { TvmError } from '@tvm/api/errors.ts';
import type { DialPortRequestSchema, DialPortResponse } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { FlintlockClient } from '../flintlock/client.ts';

type Message = MessageInitShape<typeof DialPortRequestSchema>;
type Done = (error?: Error | null) => void;

const chunkBytes = 65_536;
const highWaterMark = 65_536;
const nothingListens = 'NothingListens';

/**
 * Throws what the node says: failed_precondition with the reason NothingListens, resource_exhausted, unavailable, … The
 * signal closes the connection, also later.
 */
export async function dialPort(
  client: FlintlockClient,
  uid: string,
  port: number,
  signal?: AbortSignal,
): Promise<Duplex> {
  const call = new AbortController();
  const outbox = makeOutbox({ body: { case: 'start', value: { uid, port: { port } } } });
  const until = signal ? AbortSignal.any([signal, call.signal]) : call.signal;
  const answers = client.dialPort(outbox.messages(), { signal: until })[Symbol.asyncIterator]();
  try {
    const first = await answers.next();
    if (first.done || first.value.body.case !== 'connected') {
      throw new TvmError('internal', `the node told no connection to port ${port}`);
    }
  } catch (thrown) {
    call.abort();
    throw explained(thrown, port);
  }
  return new PortSocket(answers, outbox, () => call.abort());
}

class PortSocket extends Duplex {
  readonly #answers: AsyncIterator<DialPortResponse>;
  readonly #outbox: Outbox;
  readonly #close: () => void;

  constructor(answers: AsyncIterator<DialPortResponse>, outbox: Outbox, close: () => void) {
    super({ allowHalfOpen: true, highWaterMark });
    this.#answers = answers;
    this.#outbox = outbox;
    this.#close = close;
  }

  override _read(): void {
    this.#answers.next().then(
      ({ done, value }) => {
        if (!done && value.body.case === 'chunk') this.push(value.body.value);
        else if (!done && value.body.case === 'end') this.#endReading();
        else this.destroy(new TvmError('unavailable', 'the connection to the port ended early'));
      },
      (thrown) => this.destroy(TvmError.from(thrown)),
    );
  }

  /** The call goes on until both directions have ended: that it broke meanwhile is still told. */
  #endReading(): void {
    this.push(null);
    this.#answers.next().then(
      () => this.#endWriting(),
      (thrown) => this.#endWriting(TvmError.from(thrown)),
    );
  }

  /** Nobody takes more; what has come can still be read. */
  #endWriting(error?: TvmError): void {
    const end = () => {
      if (!this.writableFinished) this.destroy(error);
    };
    if (this.readableEnded) end();
    else this.once('end', end);
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#outbox.put(bytes, done);
  }

  override _final(done: Done): void {
    this.#outbox.end(done);
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#close();
    this.#outbox.close();
    done(error);
  }
}

interface Outbox {
  messages(): AsyncGenerator<Message>;
  /** `done` when all of it was taken. One at a time. */
  put(bytes: Uint8Array, done: Done): void;
  end(done: Done): void;
  close(): void;
}

/** What is to be sent, handed over when the transport asks for it. */
function makeOutbox(first: Message): Outbox {
  let waiting: { bytes: Uint8Array | undefined; done: Done } | undefined;
  let isClosed = false;
  let wake = () => {};
  const put = (bytes: Uint8Array | undefined, done: Done) => {
    waiting = { bytes, done };
    wake();
  };
  async function next() {
    while (!waiting && !isClosed) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    const taken = waiting;
    waiting = undefined;
    return taken;
  }
  return {
    async *messages() {
      yield first;
      for (let taken = await next(); taken; taken = await next()) {
        const { bytes, done } = taken;
        for (let at = 0; bytes && at < bytes.length; at += chunkBytes) {
          yield { body: { case: 'chunk', value: bytes.subarray(at, at + chunkBytes) } };
        }
        done();
        if (!bytes) {
          yield { body: { case: 'end', value: true } };
          return;
        }
      }
    },
    put,
    end: (done) => put(undefined, done),
    close() {
      isClosed = true;
      wake();
    },
  };
}

function explained(thrown: unknown, port: number): TvmError {
  const error = TvmError.from(thrown);
  if (error.reason !== nothingListens) return error;
  return new TvmError(error.code, error.message, {
    cause: error,
    reason: nothingListens,
    hint: `Start the server first, and have it listen on 127.0.0.1 or 0.0.0.0, port ${port}.`,
  });
}
