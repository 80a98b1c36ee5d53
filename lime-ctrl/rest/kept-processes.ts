// Processes of exec streams that were lost: their client may come back for a minute, then they are killed.
// Invariants: in memory alone: a process kept when this server ends lives on in its machine and can be attached to; one that
// may have been attached to by way of another replica is not killed.
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { streamProcess } from '../engine/process-stream.ts';
import type { FlintlockClient } from '../flintlock/client.ts';

const returnMs = 60_000;
const killDeadlineMs = 10_000;
const askDeadlineMs = 5_000;

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

export interface KeptProcessesDeps {
  clock: Clock;
  log: Logger;
  /** Whether no other replica serves. */
  isAlone: () => boolean;
}

export function makeKeptProcesses({ clock, log, isAlone }: KeptProcessesDeps): KeptProcesses {
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

  async function killUnlessUsed(process: KeptProcess, returned: AbortSignal): Promise<void> {
    do {
      await clock.sleep(returnMs, returned);
      if (returned.aborted) return;
    } while (!isAlone() && (await isInUse(process)));
    if (returned.aborted) return;
    waiting.delete(`${process.uid}/${process.execId}`);
    await kill(process);
  }

  return {
    attached,
    kill,
    lost(process) {
      attached(process);
      const returned = new AbortController();
      waiting.set(`${process.uid}/${process.execId}`, returned);
      void killUnlessUsed(process, returned.signal);
    },
  };
}

/** Whether anybody has something open in the machine: it may be the process. */
async function isInUse({ client, uid }: KeptProcess): Promise<boolean> {
  try {
    return (await client.getMachine({ uid }, { timeoutMs: askDeadlineMs })).openCalls > 0;
  } catch {
    // Killing it will say why, or that there is nothing to kill.
    return false;
  }
}

async function* killSignal() {
  yield { case: 'signal' as const, value: 'SIGKILL' };
}
