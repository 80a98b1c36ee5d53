// Ends every machine of this installation by asking its flintlock. Declared MicroVMs stay in the database.
import { connect } from 'node:net';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { Flintlock } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { fromConnectError } from '@tvm/api/rpc-errors.ts';

const callTimeoutMs = 20_000;

/** `address` is unix:/PATH or HOST:PORT. Gives how many were ended. Throws TvmError. */
export async function endMachines(address: string): Promise<number> {
  const path = address.startsWith('unix:') ? address.slice('unix:'.length) : undefined;
  const transport = createGrpcTransport({
    baseUrl: path ? 'http://localhost' : `http://${address}`,
    ...(path && { nodeOptions: { createConnection: () => connect(path) } }),
  });
  const client = createClient(Flintlock, transport);
  try {
    const { machines } = await client.listMachines({}, { timeoutMs: callTimeoutMs });
    await Promise.all(
      machines.map(({ uid, generation }) => client.destroyMachine({ uid, generation }, { timeoutMs: callTimeoutMs })),
    );
    return machines.length;
  } catch (error) {
    throw fromConnectError(error);
  }
}
