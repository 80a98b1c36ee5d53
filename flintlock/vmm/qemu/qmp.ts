// A client of QEMU's machine protocol, for one short conversation. Invariant: every answer has a deadline and a size limit.
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { TvmError } from '@tvm/api/errors.ts';

export interface Qmp extends Disposable {
  /** Executes a command and gives its `return`. Rejects with `unavailable`, `deadline_exceeded` or `internal`. */
  execute(command: string, args?: Record<string, unknown>): Promise<unknown>;
}

interface Waiting {
  resolve: (value: unknown) => void;
  reject: (error: TvmError) => void;
}

const maxLineBytes = 1024 * 1024;
const answerDeadlineMs = 5000;
const connectRetryMs = 3;

/** Connects, tries again while `stillStarting`, and negotiates. */
export async function openQmp(path: string, stillStarting: () => boolean = () => false): Promise<Qmp> {
  const deadline = Date.now() + answerDeadlineMs;
  while (true) {
    try {
      const qmp = new QmpConnection(await connected(path));
      await qmp.greeted;
      await qmp.execute('qmp_capabilities');
      return qmp;
    } catch (cause) {
      if (!stillStarting() || Date.now() > deadline) {
        throw new TvmError('unavailable', `the VMM does not answer on ${path}`, { cause, reason: 'VmmUnreachable' });
      }
      await sleep(connectRetryMs);
    }
  }
}

class QmpConnection implements Qmp {
  readonly greeted: Promise<unknown>;
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  #text = '';
  #lost: TvmError | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.greeted = this.#answer('greeting');
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#accept(text));
    socket.on('error', (error) => this.#fail(new TvmError('unavailable', `QMP: ${error.message}`, { cause: error })));
    socket.on('close', () => this.#fail(new TvmError('unavailable', 'QMP: the VMM closed the connection')));
  }

  execute(command: string, args?: Record<string, unknown>): Promise<unknown> {
    const answer = this.#answer(command);
    this.#socket.write(`${JSON.stringify({ execute: command, ...(args ? { arguments: args } : {}) })}\n`);
    return answer;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #answer(what: string): Promise<unknown> {
    if (this.#lost) return Promise.reject(this.#lost);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const late = () => this.#fail(new TvmError('deadline_exceeded', `QMP: no answer to ${what}`));
    const timer = setTimeout(late, answerDeadlineMs);
    this.#waiting.push({ resolve, reject });
    return promise.finally(() => clearTimeout(timer));
  }

  #accept(text: string): void {
    const lines = (this.#text + text).split('\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) this.#take(line);
    if (this.#text.length > maxLineBytes) this.#fail(new TvmError('data_loss', 'QMP: a line without end'));
  }

  #take(line: string): void {
    const message = parseMessage(line);
    if (message === undefined) {
      this.#fail(new TvmError('data_loss', 'QMP: a line that is not JSON'));
      return;
    }
    if (message.event !== undefined) return;
    const waiting = this.#waiting.shift();
    if (message.error) waiting?.reject(new TvmError('internal', `QMP: ${message.error.desc ?? 'an error'}`));
    else waiting?.resolve(message.return);
  }

  #fail(error: TvmError): void {
    this.#lost ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    this.#socket.destroy();
  }
}

interface Message {
  event?: string;
  return?: unknown;
  error?: { desc?: string };
}

function parseMessage(line: string): Message | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** A connected Unix socket. */
export function connected(path: string): Promise<Socket> {
  const socket = connect(path);
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}
