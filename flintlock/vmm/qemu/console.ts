// The guest's serial console, and with it the end of the VMM: the socket closes when the process ends, however it does.
// Invariant: taken at a bounded rate; a guest that prints forever waits.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Vm } from '../driver.ts';
import { files } from './files.ts';
import { connected } from './qmp.ts';

const burstBytes = 64 * 1024;
const burstMs = 100;
const reconnectMs = 100;

/** Copies console output to `onData` until `isAlive` is false or `signal` aborts. */
export async function followConsole(
  vm: Vm,
  onData: (data: Uint8Array) => void,
  isAlive: () => boolean,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted && isAlive()) {
    await copyConnection(vm, onData, signal).catch(() => undefined);
    // Between the end of the socket and that of the process, or while QEMU serves another client.
    if (!signal.aborted && isAlive()) await sleep(reconnectMs, undefined, { signal }).catch(() => undefined);
  }
}

async function copyConnection(vm: Vm, onData: (data: Uint8Array) => void, signal: AbortSignal): Promise<void> {
  const socket = await connected(join(vm.folder, files.console));
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
