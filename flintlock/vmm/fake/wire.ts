// The agent's end of the guest protocol's framing, for the fake guest. Written apart from flintlock's own client, so that
// an error in one shows in the other.
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Frame, FrameSchema } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';

const magic = Buffer.from('TVF1');
const hello = Buffer.from('TVMSYNC1');
const answer = Buffer.from('TVMSYNC2');
const nonceBytes = 16;
const maxPayloadBytes = 128 * 1024;
const headerBytes = 8;

export interface WireEvents {
  /** A host began a connection: everything of the one before is void. */
  onPreamble(answer: Buffer): void;
  onFrame(frame: Frame): void;
}

/** Takes the channel's bytes in pieces of any size. */
export function makeFrameReader(events: WireEvents): (data: Buffer) => void {
  let pending: Buffer = Buffer.alloc(0);
  let synced = false;

  function takePreamble(): boolean {
    const start = pending.indexOf(hello);
    if (start < 0) {
      pending = pending.subarray(Math.max(0, pending.length - hello.length + 1));
      return false;
    }
    if (pending.length < start + hello.length + nonceBytes) {
      pending = pending.subarray(start);
      return false;
    }
    const end = start + hello.length + nonceBytes;
    const nonce = pending.subarray(start + hello.length, end);
    pending = pending.subarray(end);
    synced = true;
    events.onPreamble(Buffer.concat([answer, nonce]));
    return true;
  }

  function takeFrame(): boolean {
    if (pending.length < headerBytes) return false;
    const length = pending.readUInt32LE(4);
    if (!pending.subarray(0, 4).equals(magic) || length > maxPayloadBytes) {
      synced = false;
      return true;
    }
    if (pending.length < headerBytes + length) return false;
    const payload = pending.subarray(headerBytes, headerBytes + length);
    pending = pending.subarray(headerBytes + length);
    events.onFrame(fromBinary(FrameSchema, payload));
    return true;
  }

  return (data) => {
    pending = pending.length === 0 ? data : Buffer.concat([pending, data]);
    while (synced ? takeFrame() : takePreamble());
  };
}

export function encodeFrame(frame: Frame): Buffer {
  const payload = toBinary(FrameSchema, frame);
  const header = Buffer.alloc(headerBytes);
  magic.copy(header);
  header.writeUInt32LE(payload.length, 4);
  return Buffer.concat([header, payload]);
}
