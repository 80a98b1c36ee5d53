// Pings over a WebSocket, by which a peer that is gone without a word is noticed.

/** What is used of a WebSocket of the package ws. */
export interface PingedSocket {
  on(event: 'pong', listener: () => void): unknown;
  ping(): void;
  terminate(): void;
  readonly isPaused: boolean;
  readonly bufferedAmount: number;
}

const pingMs = 20_000;
const maxMissedPongs = 3;

/** A peer that takes no bytes is slow, not dead: only one that has nothing to read must answer. Returns what ends it. */
export function keepAlive(socket: PingedSocket): () => void {
  let missed = 0;
  socket.on('pong', () => {
    missed = 0;
  });
  const timer = setInterval(() => {
    missed = socket.bufferedAmount > 0 || socket.isPaused ? 0 : missed + 1;
    if (missed > maxMissedPongs) socket.terminate();
    else if (socket.bufferedAmount === 0) socket.ping();
  }, pingMs);
  return () => clearInterval(timer);
}
