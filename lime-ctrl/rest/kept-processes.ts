// Processes of exec streams that were lost: their client may come back for a minute, then they are killed.
// Invariant: in memory alone: a process kept when this server ends lives on in its machine and can be attached to.
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { streamProcess } from '../engine/process-stream.ts';
import type { FlintlockClient } from '../flintlock/client.ts';

const returnMs = 60_000;
const killDeadlineMs = 10_000;

export interface KeptProcess {
  client: FlintlockClient;
  uid: string;
  execId: string;
}

export interface KeptProcesses {
  /** A client is attached (again). */
  attached(process: KeptProcess): void;
  /** Its stream was lost: the process is killed unless the client returns in time. */
  lost(process: KeptProcess): void;
  /** Its client is done with it. */
  kill(process: KeptProcess): Promise<void>;
}

export function makeKeptProcesses({ clock, log }: { clock: Clock; log: Logger }): KeptProcesses {
  const waiting = new Map<string, AbortController>();

  function attached({ uid, execId }: KeptProcess): void {
    waiting.get(`${uid}/${execId}`)?.abort();
    waiting.delete(`${uid}/${execId}`);
  }

  async function kill({ client, uid, execId }: KeptProcess): Promise<void> {
    const attach = { body: { case: 'attach' as const, value: { uid, process: { id: execId } } } };
    const signal = AbortSignal.timeout(killDeadlineMs);
    try {
      for await (const event of streamProcess(client, attach, killSignal(), signal))
        if (event.type === 'exited') return;
    } catch (error) {
      if (TvmError.from(error).code !== 'not_found')
        log.warn({ err: error, machine: uid, execId }, 'process not killed');
    }
  }

  return {
    attached,
    kill,
    lost(process) {
      attached(process);
      const returned = new AbortController();
      waiting.set(`${process.uid}/${process.execId}`, returned);
      void clock.sleep(returnMs, returned.signal).then(async () => {
        if (returned.signal.aborted) return;
        waiting.delete(`${process.uid}/${process.execId}`);
        await kill(process);
      });
    },
  };
}

async function* killSignal() {
  yield { case: 'signal' as const, value: 'SIGKILL' };
}
