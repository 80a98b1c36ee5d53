// Runs one program over the stream: output to the sinks, input from the source, again and again attached when lost.
// Invariant: output is written once and in order; input that may have been lost is an error, never silence.
import { TvmError } from '@tvm/api/errors.ts';
import { fromProblem } from '@tvm/api/rest/problem.ts';
import type { ClientControl, ServerControl } from '@tvm/api/rest/stream.ts';
import { ConnectionLost, type StreamConnection } from './stream-connection.ts';

export type Started = Extract<ServerControl, { type: 'started' }>;
export type Exited = Extract<ServerControl, { type: 'exited' }>;

export interface RunStreamDeps {
  /** Opens the stream: with the first request, or to attach to what runs. */
  open: (attach?: { attach: string; stdoutOffset: number; stderrOffset: number }) => Promise<StreamConnection>;
  /** Whether a lost stream can be attached to (exec), or is over (execute). */
  canAttach: boolean;
  /** Each resolves when it takes more. */
  output: { stdout: (bytes: Buffer) => Promise<void>; stderr: (bytes: Buffer) => Promise<void> };
  /** Input of the program, or undefined for none. `lossy`: losing some of it is fine (a terminal). */
  input?: { chunks: AsyncIterable<Uint8Array>; lossy: boolean } | undefined;
  onProgress: (message: string) => void;
  onStarted?: (started: Started) => void;
  /** Between attempts to attach. */
  sleep: (ms: number) => Promise<void>;
}

export interface RunningStream {
  result: Promise<Exited>;
  /** To the program, once it has started; false when it has not. */
  control(message: ClientControl): boolean;
  /** Leaves; `result` is rejected with `reason`. */
  abandon(reason: TvmError): void;
}

const attachAttempts = 6;
const attachWaitMs = 250;

export function runStream(deps: RunStreamDeps): RunningStream {
  const offsets = { stdout: 0, stderr: 0 };
  const abandoned = Promise.withResolvers<never>();
  abandoned.promise.catch(() => undefined);
  let connection: StreamConnection | undefined;
  let execId: string | undefined;
  let inputState: 'unread' | 'sending' | 'sent' | 'closed' = 'unread';
  let left: TvmError | undefined;

  async function pumpInput(input: NonNullable<RunStreamDeps['input']>): Promise<void> {
    for await (const chunk of input.chunks) {
      if (chunk.length === 0) continue;
      if (inputState === 'unread') inputState = 'sending';
      await sendToCurrent(chunk, input.lossy);
    }
    inputState = inputState === 'unread' ? 'closed' : 'sent';
    connection?.control({ type: 'closeStdin' });
  }

  async function sendToCurrent(chunk: Uint8Array, lossy: boolean): Promise<void> {
    try {
      await connection?.sendStdin(chunk);
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      if (!lossy) await new Promise(() => undefined);
    }
  }

  /** Everything of one connection. */
  async function follow(current: StreamConnection): Promise<Exited> {
    for await (const message of current.messages) {
      if (message.type === 'output') {
        await deps.output[message.channel](message.bytes);
        offsets[message.channel] += message.bytes.length;
      } else if (message.type === 'progress') deps.onProgress(message.message);
      else if (message.type === 'started') onStarted(message);
      else if (message.type === 'exited') return message;
      else throw fromProblem(message.problem, message.problem.detail);
    }
    throw new ConnectionLost('the stream ended early');
  }

  function onStarted(message: Started): void {
    const first = execId === undefined;
    execId = message.execId;
    offsets.stdout = message.stdoutOffset;
    offsets.stderr = message.stderrOffset;
    if (!first) {
      if (inputState === 'closed') connection?.control({ type: 'closeStdin' });
      return;
    }
    deps.onStarted?.(message);
    if (deps.input) pumpInput(deps.input).catch((error) => abandon(TvmError.from(error, 'reading input')));
    else connection?.control({ type: 'closeStdin' });
  }

  async function run(): Promise<Exited> {
    connection = await deps.open();
    for (;;) {
      if (left) connection.close();
      try {
        return await follow(connection);
      } catch (error) {
        connection.close();
        if (left) throw left;
        if (!(error instanceof ConnectionLost) || !deps.canAttach || execId === undefined) throw error;
        refuseLostInput(error);
        connection = await attachAgain(execId, error);
      }
    }
  }

  function refuseLostInput(cause: ConnectionLost): void {
    if (deps.input?.lossy || (inputState !== 'sending' && inputState !== 'sent')) return;
    throw new TvmError('data_loss', 'the connection was lost while input was sent: some of it may not have arrived', {
      cause,
      hint: 'The program may still run: "vvm exec NAME -- ps" shows it.',
    });
  }

  async function attachAgain(id: string, cause: ConnectionLost): Promise<StreamConnection> {
    let last: unknown = cause;
    for (let attempt = 0; attempt < attachAttempts && !left; attempt += 1) {
      deps.onProgress('the connection was lost, attaching again');
      await deps.sleep(attachWaitMs * 2 ** attempt);
      try {
        return await deps.open({ attach: id, stdoutOffset: offsets.stdout, stderrOffset: offsets.stderr });
      } catch (error) {
        last = error;
        if (!(error instanceof TvmError) || error.code !== 'unavailable') break;
      }
    }
    throw left ?? last;
  }

  function abandon(reason: TvmError): void {
    left ??= reason;
    connection?.close();
    abandoned.reject(left);
  }

  return {
    result: Promise.race([run(), abandoned.promise]),
    control(message) {
      if (execId === undefined || !connection) return false;
      connection.control(message);
      return true;
    },
    abandon,
  };
}
