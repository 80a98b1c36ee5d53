// The guest's serial console, and with it the end of the VMM: the channel ends when the process does, however it does.
// Invariant: taken at a bounded rate; a guest that prints forever waits.
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const burstBytes = 64 * 1024;
const burstMs = 100;
const reconnectMs = 100;

/** Copies what `open` gives to `onData` until `isAlive` is false or `signal` aborts. */
export async function followConsole(
  open: () => Promise<Socket>,
  onData: (data: Uint8Array) => void,
  isAlive: () => boolean,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted && isAlive()) {
    await copyConnection(open, onData, signal).catch(() => undefined);
    // Between the end of the channel and that of the process, or while the VMM serves another client.
    if (!signal.aborted && isAlive()) await sleep(reconnectMs, undefined, { signal }).catch(() => undefined);
  }
}

async function copyConnection(
  open: () => Promise<Socket>,
  onData: (data: Uint8Array) => void,
  signal: AbortSignal,
): Promise<void> {
  const socket = await open();
  const stop = () => socket.destroy();
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  let burst = 0;
  try {
    for await (const data of socket) {
      onData(data);
      burst += data.length;
      if (burst < burstBytes) continue;
      burst = 0;
      await sleep(burstMs);
    }
  } finally {
    signal.removeEventListener('abort', stop);
    socket.destroy();
  }
}
