// A guest agent played by a test: it answers the preamble, and says whatever the test has it say, also what no honest
// agent would.
import { type Duplex, duplexPair } from 'node:stream';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type Frame, FrameSchema, type OutputSchema } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import { connect } from '../connect.ts';
import type { GuestConnection } from '../connection.ts';

type Body = NonNullable<MessageInitShape<typeof FrameSchema>['body']>;
type Output = NonNullable<MessageInitShape<typeof OutputSchema>['body']>;

export function frameBytes(stream: number, body: Body): Buffer {
  const payload = toBinary(FrameSchema, create(FrameSchema, { stream, body }));
  const header = Buffer.from('TVF1\0\0\0\0');
  header.writeUInt32LE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

export class ScriptedGuest {
  /** Frames of the host that have come and were not taken by `next`. */
  readonly received: Frame[] = [];
  readonly duplex: Duplex;
  #bytes = Buffer.alloc(0);
  #synced = false;
  #waiting: (() => void)[] = [];

  constructor(duplex: Duplex) {
    this.duplex = duplex;
    duplex.on('data', (bytes: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      this.#parse();
    });
    duplex.on('error', () => undefined);
  }

  say(stream: number, body: Body): void {
    this.duplex.write(frameBytes(stream, body));
  }

  output(stream: number, body: Output): void {
    this.say(stream, { case: 'output', value: { body } });
  }

  end(stream: number, code = '', message = '', reason = ''): void {
    this.say(stream, { case: 'end', value: { code, message, reason } });
  }

  /** The next frame of the host. */
  async next(): Promise<Frame> {
    while (this.received.length === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.received.shift() as Frame;
  }

  #parse(): void {
    while (true) {
      if (!this.#synced || this.#bytes.subarray(0, 8).toString() === 'TVMSYNC1') {
        const start = this.#bytes.indexOf('TVMSYNC1');
        if (start < 0 || this.#bytes.length < start + 24) return;
        this.duplex.write(Buffer.concat([Buffer.from('TVMSYNC2'), this.#bytes.subarray(start + 8, start + 24)]));
        this.#bytes = this.#bytes.subarray(start + 24);
        this.#synced = true;
      } else {
        if (this.#bytes.length < 8) return;
        const end = 8 + this.#bytes.readUInt32LE(4);
        if (this.#bytes.length < end) return;
        this.received.push(fromBinary(FrameSchema, this.#bytes.subarray(8, end)));
        this.#bytes = this.#bytes.subarray(end);
        for (const resolve of this.#waiting.splice(0)) resolve();
      }
    }
  }
}

/** A connection and the guest at its other end. */
export async function connectScripted(): Promise<{ connection: GuestConnection; guest: ScriptedGuest }> {
  const [host, far] = duplexPair();
  const guest = new ScriptedGuest(far);
  return { connection: await connect(host, { timeoutMs: 5000 }), guest };
}
