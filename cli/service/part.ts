// One part of the service as a child process: started, waited for, started again with growing waits, stopped.
// Invariant: at most one process of the part at a time; none after stop().
import { type ChildProcess, spawn } from 'node:child_process';
import { type Backoff, backoffMs } from '@tvm/kit/backoff.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { PartSpec, ReadyDetails } from './part-specs.ts';
import type { PartView } from './service-file.ts';

const stopDeadlineMs = 15_000;
const steadyMs = 60_000;

export interface PartDeps {
  clock: Clock;
  logFd: number;
  backoff: Backoff;
  /** Asked before each start, so that it may use what was learnt since. */
  spec: () => PartSpec;
  onReady: (details: ReadyDetails) => void;
  /** The part ended by itself; `willRetryMs` until it starts again. */
  onEnd: (why: string, failures: number, willRetryMs: number) => void;
  onChange: () => void;
}

export interface Part {
  view(): PartView;
  /** Ends the process (SIGTERM, SIGKILL when late) and starts no other. */
  stop(): Promise<void>;
}

export function startPart(deps: PartDeps): Part {
  const stopping = new AbortController();
  let view: PartView = { state: 'starting', restarts: 0 };
  let child: ChildProcess | undefined;

  const set = (change: Partial<PartView>) => {
    view = { ...view, ...change };
    deps.onChange();
  };

  async function runOnce(): Promise<string> {
    const spec = deps.spec();
    const running = spawn(process.execPath, spec.argv, {
      cwd: '/',
      env: spec.environment,
      stdio: ['ignore', deps.logFd, deps.logFd, 'ipc'],
    });
    child = running;
    set({ pid: running.pid });
    let failure: string | undefined;
    running.on('message', (message) => {
      failure ??= failureIn(message);
      const details = readyDetails(message);
      if (!details) return;
      set({ state: 'running' });
      deps.onReady(details);
    });
    try {
      const end = await ended(running);
      return failure ?? end;
    } finally {
      child = undefined;
    }
  }

  async function keepRunning(): Promise<void> {
    for (let failures = 0; !stopping.signal.aborted; ) {
      const began = deps.clock.now();
      const why = await runOnce();
      if (stopping.signal.aborted) break;
      failures = deps.clock.now() - began > steadyMs ? 1 : failures + 1;
      const waitMs = backoffMs(deps.backoff, failures);
      set({ state: 'restarting', pid: undefined, restarts: view.restarts + 1, lastEnd: why });
      deps.onEnd(why, failures, waitMs);
      await deps.clock.sleep(waitMs, stopping.signal);
    }
    set({ state: 'stopped', pid: undefined });
  }

  const done = keepRunning();
  return {
    view: () => view,
    async stop() {
      stopping.abort();
      child?.kill('SIGTERM');
      const late = setTimeout(() => child?.kill('SIGKILL'), stopDeadlineMs);
      await done;
      clearTimeout(late);
    },
  };
}

function ended(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(`could not be started: ${error.message}`));
    child.once('exit', (code, signal) => resolve(signal ? `ended by ${signal}` : `exit code ${code}`));
  });
}

/** What a part says when it cannot serve. */
function failureIn(message: unknown): string | undefined {
  if (typeof message !== 'object' || message === null || !('failed' in message)) return undefined;
  return typeof message.failed === 'string' ? message.failed : undefined;
}

function readyDetails(message: unknown): ReadyDetails | undefined {
  if (typeof message !== 'object' || message === null || !('ready' in message) || message.ready !== true) return;
  const strings = Object.entries(message).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return Object.fromEntries(strings);
}
