// DialPort: a connection to a port inside a guest. Invariants: the caller's pace is the guest's; no more connections to one
// machine than there are places, whatever its callers do; one over which nothing goes is given up.
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import { TvmError } from '@tvm/api/errors.ts';
import type { DialPortRequest, Flintlock } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { type DialledPort, dialPort } from '../guest/ports.ts';
import type { Machines } from '../machines/machines.ts';
import { objectOf } from '../machines/record.ts';

const maxDialsPerMachine = 128;
const connectTimeoutMs = 10_000;
const idleTimeoutMs = 3_600_000;

export function makePortCalls(machines: Machines): Pick<ServiceImpl<typeof Flintlock>, 'dialPort'> {
  const places = makePlaces();
  return { dialPort: (requests, context) => dial(machines, places, requests, context) };
}

type Places = (uid: string) => Disposable;

/** How many connections each machine has. */
function makePlaces(): Places {
  const counts = new Map<string, number>();
  return (uid) => {
    const count = counts.get(uid) ?? 0;
    if (count >= maxDialsPerMachine) {
      throw new TvmError('resource_exhausted', `${maxDialsPerMachine} connections to ports of ${uid} are open`, {
        object: objectOf(uid),
        reason: 'TooManyConnections',
        retryAfterSeconds: 1,
      });
    }
    counts.set(uid, count + 1);
    return {
      [Symbol.dispose]() {
        const left = (counts.get(uid) ?? 1) - 1;
        if (left > 0) counts.set(uid, left);
        else counts.delete(uid);
      },
    };
  };
}

async function* dial(
  machines: Machines,
  places: Places,
  requests: AsyncIterable<DialPortRequest>,
  { signal }: HandlerContext,
) {
  const messages = requests[Symbol.asyncIterator]();
  const first = await messages.next();
  const start = first.done ? undefined : first.value.body;
  if (start?.case !== 'start') throw misordered('the first message of DialPort must have start');
  const { uid, port } = start.value;
  using _place = places(uid);
  const misused = new AbortController();
  try {
    using call = await machines.openUse(uid, signal);
    const request = { port: port?.port ?? 0, connectTimeoutMs, idleTimeoutMs };
    const dialled = await dialPort(call.connection, request, AbortSignal.any([signal, misused.signal]));
    yield { body: { case: 'connected' as const, value: dialled.connected } };
    feed(messages, dialled).catch((thrown) => misused.abort(thrown));
    for await (const body of dialled.answers) yield { body };
  } catch (thrown) {
    throw misused.signal.reason ?? thrown;
  }
}

/** Passes bytes on at the guest's pace. The end of the requests is the end of them. */
async function feed(messages: AsyncIterator<DialPortRequest>, dialled: DialledPort): Promise<void> {
  try {
    for (let next = await messages.next(); !next.done; next = await messages.next()) {
      const { body } = next.value;
      if (body.case === 'end') break;
      if (body.case !== 'chunk') throw misordered('messages of DialPort after the first must have chunk or end');
      await dialled.send(body);
    }
    await dialled.send({ case: 'end', value: true });
  } catch (thrown) {
    // The connection, or the caller, is at its end: the answers say how.
    if (thrown instanceof TvmError && thrown.code === 'invalid_argument') throw thrown;
  }
}

function misordered(message: string): TvmError {
  return new TvmError('invalid_argument', message);
}
