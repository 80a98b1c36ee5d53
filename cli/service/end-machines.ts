// Ends every machine of this installation by asking its flintlock. Declared MicroVMs stay in the database.
// Invariant: it is done when flintlock lists none; one that cannot be ended yet keeps none of the others.
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { Flintlock } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { fromConnectError } from '@tvm/api/rpc-errors.ts';

const callTimeoutMs = 20_000;
/** One that is just being made may take several calls. */
const deadlineMs = 30_000;
const pauseMs = 100;

/** `address` is unix:/PATH or HOST:PORT. Gives how many were ended. Throws TvmError. */
export async function endMachines(address: string): Promise<number> {
  const path = address.startsWith('unix:') ? address.slice('unix:'.length) : undefined;
  const transport = createGrpcTransport({
    baseUrl: path ? 'http://localhost' : `http://${address}`,
    ...(path && { nodeOptions: { createConnection: () => connect(path) } }),
  });
  const client = createClient(Flintlock, transport);
  try {
    const deadline = performance.now() + deadlineMs;
    for (let ended = 0; ; await sleep(pauseMs)) {
      const { machines } = await client.listMachines({}, { timeoutMs: callTimeoutMs });
      if (machines.length === 0) return ended;
      const destroyed = await Promise.allSettled(
        machines.map(({ uid, generation }) => client.destroyMachine({ uid, generation }, { timeoutMs: callTimeoutMs })),
      );
      ended += destroyed.filter(({ status }) => status === 'fulfilled').length;
      const failed = destroyed.find((each) => each.status === 'rejected');
      if (failed && performance.now() > deadline) throw failed.reason;
    }
  } catch (error) {
    throw fromConnectError(error);
  }
}
