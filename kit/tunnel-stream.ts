// The bytes of a tunnel's WebSocket (api/rest/tunnel.ts) as a stream whose directions end on their own. Invariants: who does
// not read stops the socket, who writes waits for it; a peer that is gone without a word is noticed by pings.
import { Duplex } from 'node:stream';
import { tunnelCloseCodes } from '@tvm/api/rest/tunnel.ts';
import { keepAlive, type PingedSocket } from './keep-alive.ts';

/** What is used of a WebSocket of the package ws, already open. */
export type TunnelSocket = PingedSocket & {
  on(event: 'message', listener: (data: Buffer, isBinary: boolean) => void): unknown;
  on(event: 'close', listener: (code: number, reason: Buffer) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  send(data: Uint8Array, callback: (error?: Error | null) => void): void;
  close(code: number, reason?: string): void;
  pause(): void;
  resume(): void;
};

const messageBytes = 65_536;
const closeMs = 2_000;
const empty = new Uint8Array();

/** Takes the socket over. The stream fails when the connection ends before both directions have. */
export function tunnelStream(socket: TunnelSocket): Duplex {
  const stopPings = keepAlive(socket);
  let isClosed = false;
  const stream = new Duplex({
    allowHalfOpen: true,
    read() {
      if (socket.isPaused) socket.resume();
    },
    write(bytes: Buffer, _encoding, done) {
      sendAll(socket, bytes).then(() => done(), done);
    },
    final(done) {
      socket.send(empty, (error) => done(error ?? null));
    },
    destroy(error, done) {
      if (error && !isClosed) socket.close(tunnelCloseCodes.broken, error.message.slice(0, 100));
      else if (!isClosed) socket.close(tunnelCloseCodes.done);
      // One that is not read never shows that its peer has gone.
      socket.resume();
      const late = setTimeout(() => socket.terminate(), closeMs);
      if (isClosed) clearTimeout(late);
      socket.on('close', () => clearTimeout(late));
      done(error);
    },
  });
  let isEnded = false;
  socket.on('message', (data, isBinary) => {
    if (stream.destroyed) return;
    isEnded = data.length === 0;
    if (!isBinary) stream.destroy(new Error('the peer sent a text message'));
    else if (!stream.push(isEnded ? null : data) && !isEnded) socket.pause();
  });
  socket.on('close', (code, reason) => {
    isClosed = true;
    stopPings();
    if (!isEnded) stream.destroy(new Error(closeText(code, reason)));
    // What has come can still be read; nobody takes more.
    else if (stream.readableEnded) stream.destroy();
    else stream.once('end', () => stream.destroy());
  });
  // The close event follows and tells all.
  socket.on('error', () => undefined);
  return stream;
}

async function sendAll(socket: TunnelSocket, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += messageBytes) {
    const piece = bytes.subarray(at, at + messageBytes);
    await new Promise<void>((resolve, reject) => {
      socket.send(piece, (error) => (error ? reject(error) : resolve()));
    });
  }
}

function closeText(code: number, reason: Buffer): string {
  return `the tunnel was closed (${code})${reason.length > 0 ? `: ${reason.toString()}` : ''}`;
}
