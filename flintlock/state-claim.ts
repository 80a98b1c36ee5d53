// One flintlock a state folder. Invariant: the claim is a name that the kernel keeps for this process (an abstract socket,
// no file), so that it ends with the process, however that ends.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, realpathSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { TvmError } from '@tvm/api/errors.ts';

const pollMs = 50;
/** As long as one that was told to stop may take. */
const defaultPatienceMs = 12_000;

/** Waits for a flintlock that is stopping. Throws `failed_precondition` when it stays. */
export async function claimState(folder: string, patienceMs = defaultPatienceMs): Promise<AsyncDisposable> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const name = `\0tvm-flintlock-${createHash('sha256').update(realpathSync(folder)).digest('hex')}`;
  for (const deadline = performance.now() + patienceMs; ; await sleep(pollMs)) {
    const claim = await tryListen(name);
    if (claim) return claim;
    if (performance.now() < deadline) continue;
    throw new TvmError('failed_precondition', `another flintlock has the machines of ${folder}`, {
      hint: 'End it, or give this one a TVM_HOME of its own.',
    });
  }
}

async function tryListen(name: string): Promise<AsyncDisposable | undefined> {
  const server = createServer((socket) => socket.destroy());
  server.listen(name);
  try {
    await once(server, 'listening');
    return server;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw error;
  }
}
