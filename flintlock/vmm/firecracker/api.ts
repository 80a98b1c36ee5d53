// Firecracker's API over its Unix socket. Invariant: every answer has a deadline and a size limit; what it refuses is told in
// its own words.
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { TvmError } from '@tvm/api/errors.ts';
import type { ApiRequest } from './requests.ts';

const answerDeadlineMs = 10_000;
/** Writing or reading all memory takes its time. */
const snapshotDeadlineMs = 120_000;
const maxAnswerBytes = 256 * 1024;
const startDeadlineMs = 5_000;
const retryMs = 3;

/** The body of its answer. Throws `unavailable` (no answer), `deadline_exceeded`, or `failed_precondition` (refused). */
export async function ask(socketPath: string, { method, path, body }: ApiRequest): Promise<unknown> {
  const { status, text } = await exchange(socketPath, { method, path, body });
  const answer = parsed(text);
  if (status < 300) return answer;
  const fault = (answer as { fault_message?: unknown } | undefined)?.fault_message;
  const message = `Firecracker refuses ${method} ${path}: ${typeof fault === 'string' ? fault : `status ${status}`}`;
  throw new TvmError('failed_precondition', message, { reason: 'VmmRefused' });
}

/** Waits until a process that was just started answers, as long as it is alive. */
export async function untilServing(socketPath: string, isAlive: () => boolean): Promise<void> {
  const deadline = Date.now() + startDeadlineMs;
  while (true) {
    try {
      await ask(socketPath, { method: 'GET', path: '/' });
      return;
    } catch (error) {
      if (!isAlive() || Date.now() > deadline) throw error;
      await sleep(retryMs);
    }
  }
}

function exchange(socketPath: string, { method, path, body }: ApiRequest): Promise<{ status: number; text: string }> {
  const deadline = AbortSignal.timeout(path.startsWith('/snapshot/') ? snapshotDeadlineMs : answerDeadlineMs);
  const content = body === undefined ? '' : JSON.stringify(body);
  const headers = {
    accept: 'application/json',
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(content),
  };
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) => {
      const code = deadline.aborted ? 'deadline_exceeded' : 'unavailable';
      reject(new TvmError(code, `Firecracker does not answer ${method} ${path}: ${cause.message}`, { cause }));
    };
    const sent = request({ socketPath, method, path, headers, signal: deadline, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (piece: string) => {
        text += piece;
        if (text.length > maxAnswerBytes) answer.destroy(new Error(`more than ${maxAnswerBytes} bytes`));
      });
      answer.on('error', fail);
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    sent.on('error', fail);
    sent.end(content);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
