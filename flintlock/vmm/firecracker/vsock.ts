// The way to a port of the guest: Firecracker's own handshake on its Unix socket, then bytes.
// Invariant: tried again until the guest listens, the VMM ends or the caller gives up; nothing of the guest's bytes is lost.
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { TvmError } from '@tvm/api/errors.ts';

const maxAnswerBytes = 32;
const handshakeMs = 2_000;
const retryMs = { first: 5, most: 100 };

/** Rejects with `unavailable` when the VMM ends, or the signal's reason. */
export async function dialVsock(
  path: string,
  port: number,
  isAlive: () => boolean,
  signal: AbortSignal,
): Promise<Duplex> {
  for (let waitMs = retryMs.first; ; waitMs = Math.min(waitMs * 2, retryMs.most)) {
    if (signal.aborted) throw givenUp(signal);
    try {
      return await handshake(path, port, signal);
    } catch (cause) {
      if (!isAlive()) throw new TvmError('unavailable', 'the VMM ended before its guest could be reached', { cause });
      await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

function givenUp({ reason }: AbortSignal): TvmError {
  const late = reason instanceof DOMException && reason.name === 'TimeoutError';
  const message = late ? 'the guest does not listen yet' : 'reaching the guest was canceled';
  return new TvmError(late ? 'deadline_exceeded' : 'canceled', message, { cause: reason });
}

function handshake(path: string, port: number, signal: AbortSignal): Promise<Socket> {
  const socket = connect(path);
  const stop = AbortSignal.any([signal, AbortSignal.timeout(handshakeMs)]);
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const settle = () => {
      stop.removeEventListener('abort', onAbort);
      socket.off('data', onData).off('error', fail).off('close', onClose);
    };
    const fail = (error: Error) => {
      settle();
      socket.on('error', () => undefined);
      socket.destroy();
      reject(error);
    };
    const onAbort = () => fail(new Error('no answer'));
    const onClose = () => fail(new Error('nobody listens in the guest'));
    const onData = (data: Buffer) => {
      head = Buffer.concat([head, data]);
      const end = head.indexOf('\n');
      if (end < 0 && head.length <= maxAnswerBytes) return;
      if (end < 0 || !/^OK \d{1,10}$/.test(head.toString('latin1', 0, end)))
        return fail(new Error('an unknown answer'));
      settle();
      socket.pause();
      const rest = head.subarray(end + 1);
      if (rest.length > 0) socket.unshift(rest);
      resolve(socket);
    };
    stop.addEventListener('abort', onAbort);
    socket.on('data', onData).on('error', fail).on('close', onClose);
    socket.write(`CONNECT ${port}\n`);
  });
}
