// DialPort of the fake flintlock: real TCP connections to servers of the test.
import { once } from 'node:events';
import { connect } from 'node:net';
import { TvmError } from '@tvm/api/errors.ts';
import type { DialPortRequest } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';

/** `portsOf` gives the ports of a machine and where they are on this host; throws for one that cannot be reached. */
export async function* dialFakePort(
  requests: AsyncIterable<DialPortRequest>,
  portsOf: (uid: string) => Map<number, number>,
  signal: AbortSignal,
) {
  const messages = requests[Symbol.asyncIterator]();
  const { value } = await messages.next();
  if (value?.body.case !== 'start') throw new TvmError('invalid_argument', 'no start');
  const { uid, port: { port = 0 } = {} } = value.body.value;
  const real = portsOf(uid).get(port);
  const refused = `nothing listens on port ${port} of the machine`;
  if (real === undefined) throw new TvmError('failed_precondition', refused, { reason: 'NothingListens' });
  const socket = connect({ host: '127.0.0.1', port: real, allowHalfOpen: true });
  socket.on('error', () => socket.destroy());
  const onAbort = () => socket.destroy();
  signal.addEventListener('abort', onAbort);
  try {
    await once(socket, 'connect');
    yield { body: { case: 'connected' as const, value: { address: `127.0.0.1:${port}` } } };
    const feeding = (async () => {
      for (let next = await messages.next(); !next.done; next = await messages.next()) {
        const { body } = next.value;
        if (body.case === 'end') break;
        if (body.case === 'chunk' && !socket.write(body.value)) await once(socket, 'drain');
      }
      socket.end();
    })().catch(() => socket.destroy());
    for await (const chunk of socket) yield { body: { case: 'chunk' as const, value: chunk as Buffer } };
    yield { body: { case: 'end' as const, value: true } };
    await feeding;
  } catch (cause) {
    throw new TvmError('unavailable', 'the connection was lost', { cause });
  } finally {
    signal.removeEventListener('abort', onAbort);
    socket.destroy();
  }
}
