// A TCP listener here, each of whose connections goes on as a stream to elsewhere. Invariants: a connection that cannot go on is
// reset, never left open; each direction ends on its own; closing ends all connections.
import { createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TvmError } from '@tvm/api/errors.ts';

/** As many as a machine takes. */
const maxConnections = 128;

export interface ForwardDeps {
  listen: { host: string; port: number };
  /** Where a connection goes on. Throws why it cannot. */
  open(): Promise<Duplex>;
  /** Hears why a connection did not go on, or broke. */
  onFailure(thrown: unknown): void;
}

export interface Forward extends AsyncDisposable {
  /** "127.0.0.1:8000", with the port that was chosen. */
  address: string;
  /** Rejects when it listens no longer. */
  failed: Promise<never>;
}

/** Throws unavailable when the address is taken. */
export async function startForward({ listen, open, onFailure }: ForwardDeps): Promise<Forward> {
  const locals = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (local) => {
    locals.add(local);
    local.once('close', () => locals.delete(local));
    local.on('error', () => undefined);
    carry(local, open).catch((thrown) => {
      local.resetAndDestroy();
      onFailure(thrown);
    });
  });
  server.maxConnections = maxConnections;
  const address = await new Promise<string>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(cannotListen(listen, error)));
    server.listen(listen, () => resolve(addressOf(server.address())));
  });
  const { promise: failed, reject } = Promise.withResolvers<never>();
  failed.catch(() => undefined);
  server.on('error', reject);
  return {
    address,
    failed,
    async [Symbol.asyncDispose]() {
      for (const local of locals) local.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function carry(local: Socket, open: () => Promise<Duplex>): Promise<void> {
  const remote = await open();
  remote.on('error', () => undefined);
  if (local.destroyed) {
    remote.destroy();
    return;
  }
  try {
    await Promise.all([pipeline(local, remote), pipeline(remote, local)]);
  } catch (error) {
    // That the program here went away is its own business.
    if (!local.destroyed || remote.errored) throw broken(remote.errored ?? error);
  } finally {
    remote.destroy();
    local.destroy();
  }
}

function broken(cause: unknown): TvmError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new TvmError('unavailable', `a connection broke: ${why}`, { cause });
}

function addressOf(bound: string | { address: string; port: number; family: string } | null): string {
  if (bound === null || typeof bound === 'string') return String(bound);
  return `${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`;
}

function cannotListen({ host, port }: ForwardDeps['listen'], cause: NodeJS.ErrnoException): TvmError {
  const taken = cause.code === 'EADDRINUSE';
  const why = taken ? 'the port is taken' : cause.message;
  return new TvmError('unavailable', `cannot listen on ${host}:${port}: ${why}`, {
    hint: taken
      ? 'Take another with --listen PORT, or any with --listen 0.'
      : '--listen HOST:PORT says where to listen.',
  });
}
