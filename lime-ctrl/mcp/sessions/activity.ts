// When sessions were last used, as this replica knows; told to the API server now and then, for the other replicas and for
// whoever looks. Invariants: an object is written at most once a minute for it (a third of its idle time-out, if that is
// shorter); what is lost with this process makes a session idle a little sooner, never later.
import { TvmError } from '@tvm/api/errors.ts';
import type { McpSession } from '@tvm/api/kinds/mcp-session.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import { type KubeClient, mcpSessions } from '@tvm/kit/kube/client.ts';
import type { Logger } from '@tvm/kit/log.ts';

const lookEveryMs = 2_000;
const writeEveryMs = 60_000;

export interface SessionActivity {
  /** A session, by key and uid, is used now. */
  note(key: string, uid: string): void;
  /** 0: not known. */
  usedAtMs(uid: string): number;
  /** Whoever works in it was told that its machine started at this time, as ISO 8601. */
  acknowledge(key: string, uid: string, startedAt: string): void;
  /** The start that was told here. */
  acknowledged(uid: string): string | undefined;
  /** Of how many sessions something is remembered. */
  readonly size: number;
  /** Writes what is due until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export interface ActivityDeps {
  client: KubeClient;
  session: (key: string) => McpSession | undefined;
  clock: Clock;
  log: Logger;
}

interface Note {
  key: string;
  usedAtMs: number;
  startedAt?: string;
}

export function makeSessionActivity({ client, session: find, clock, log }: ActivityDeps): SessionActivity {
  const notes = new Map<string, Note>();

  async function writeDue(uid: string, note: Note): Promise<void> {
    const session = find(note.key);
    if (!session || session.metadata.uid !== uid) {
      // A cache that is behind does not know it yet.
      if (clock.now() - note.usedAtMs > writeEveryMs) notes.delete(uid);
      return;
    }
    if (!isDue(session, note, clock.now())) return;
    const { usedAtMs, startedAt } = note;
    const status = {
      ...session.status,
      lastActivity: new Date(usedAtMs).toISOString().replace(/\.\d+Z$/, 'Z'),
      ...(startedAt !== undefined && { machineStartedAt: startedAt }),
    };
    try {
      await client.updateStatus(mcpSessions, { ...session, status });
    } catch (thrown) {
      const { code, message } = TvmError.from(thrown);
      // Somebody else wrote it meanwhile: it is tried again with what they wrote.
      if (code !== 'aborted' && code !== 'not_found') log.warn({ why: message, session: uid }, 'activity not written');
    }
  }

  const noteOf = (key: string, uid: string): Note => {
    const note = notes.get(uid) ?? { key, usedAtMs: 0 };
    notes.set(uid, note);
    return note;
  };

  return {
    note(key, uid) {
      noteOf(key, uid).usedAtMs = clock.now();
    },
    usedAtMs: (uid) => notes.get(uid)?.usedAtMs ?? 0,
    acknowledge(key, uid, startedAt) {
      const note = noteOf(key, uid);
      note.usedAtMs = clock.now();
      note.startedAt = startedAt;
    },
    acknowledged: (uid) => notes.get(uid)?.startedAt,
    get size() {
      return notes.size;
    },
    async run(signal) {
      while (!signal.aborted) {
        await clock.sleep(lookEveryMs, signal);
        for (const [uid, note] of notes) if (!signal.aborted) await writeDue(uid, note);
      }
    },
  };
}

function isDue({ spec, status }: McpSession, { usedAtMs, startedAt }: Note, nowMs: number): boolean {
  // What is over stays as it was when it ended.
  if (status?.state === undefined || status.state === 'Expired') return false;
  if (startedAt !== undefined && startedAt !== status.machineStartedAt) return true;
  const writtenMs = status.lastActivity === undefined ? 0 : Date.parse(status.lastActivity);
  const everyMs = Math.min(writeEveryMs, ((spec.idleTimeoutSeconds ?? Number.POSITIVE_INFINITY) * 1000) / 3);
  return usedAtMs >= writtenMs + 1000 && nowMs - writtenMs >= everyMs;
}
