// The WebSocket of /v1/microvms/{name}/exec: a process in a declared machine that outlives a lost connection.
// Invariant: nobody but the user who started a process attaches to it, or ends it by leaving.
import { TvmError } from '@tvm/api/errors.ts';
import { type CheckedExecRequest, execRequest } from '@tvm/api/rest/stream.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Caller } from '../access/access.ts';
import { timeoutExitCode } from '../engine/engine.ts';
import { type ExecRequestInit, streamProcess } from '../engine/process-stream.ts';
import { check } from './endpoint.ts';
import { isExecOf, newExecId } from './exec-id.ts';
import type { KeptProcesses } from './kept-processes.ts';
import type { FoundMachine } from './machine-lookup.ts';
import type { SocketSession } from './socket-session.ts';

export interface ExecSocketDeps {
  kept: KeptProcesses;
  clock: Clock;
}

/** Throws what the process's stream throws; the caller tells it to the client. */
export async function serveExecSocket(
  { kept, clock }: ExecSocketDeps,
  session: SocketSession,
  machine: FoundMachine,
  { user }: Caller,
): Promise<void> {
  const request = check(execRequest, await session.first(), 'request');
  if ('attach' in request && !isExecOf(request.attach, user)) throw notYours(request.attach, user);
  const execId = 'attach' in request ? request.attach : newExecId(user);
  const process = { client: machine.client, uid: machine.uid, execId };
  const beganMs = clock.now();
  let state: 'starting' | 'running' | 'exited' = 'starting';
  kept.attached(process);
  try {
    const first = firstMessage(machine.uid, execId, request);
    for await (const event of streamProcess(machine.client, first, session.inputs(), session.closed)) {
      if (event.type === 'output') await session.sendOutput(event.channel, event.bytes);
      else if (event.type === 'started') {
        state = 'running';
        await session.send({ ...event, execId, machine: machineView(machine) });
      } else {
        state = 'exited';
        const exitCode = event.timedOut ? timeoutExitCode : event.exitCode;
        await session.send({ ...event, exitCode, durationMs: clock.now() - beganMs });
      }
    }
  } finally {
    if (state === 'running' && session.closed.aborted) {
      if (session.closedCleanly) await kept.kill(process);
      else kept.lost(process);
    } else if (state === 'running') kept.lost(process);
  }
}

function notYours(execId: string, user: string): TvmError {
  return new TvmError('permission_denied', `exec ${execId} was not started by ${user}`, {
    reason: 'NotYourProcess',
    hint: 'Only who started a process may attach to it again.',
  });
}

function firstMessage(uid: string, execId: string, request: CheckedExecRequest): ExecRequestInit {
  if ('attach' in request) {
    const { stdoutOffset, stderrOffset } = request;
    const process = { id: execId, stdoutOffset: BigInt(stdoutOffset), stderrOffset: BigInt(stderrOffset) };
    return { body: { case: 'attach', value: { uid, process } } };
  }
  const { argv, env, cwd = '', user = '', terminal, stdin, timeoutSeconds = 0 } = request;
  const timeoutMs = Math.min(Math.round(timeoutSeconds * 1000), 0xffff_ffff);
  const process = { id: execId, argv, env, cwd, user, stdin, timeoutMs, keep: true, ...(terminal && { terminal }) };
  return { body: { case: 'start', value: { uid, process } } };
}

function machineView({ uid, machine }: FoundMachine) {
  return { id: uid, image: machine.spec?.image ?? '', bootId: machine.bootId, warm: false };
}
