// One HTTP request to a server inside a machine, over a connection of its own. Invariants: everything from the guest is
// hostile: its headers are bounded in size, number and time, and what is no HTTP is an error in our words.
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { TvmError } from '@tvm/api/errors.ts';
import { type HeaderPairs, headersToGuest } from './headers.ts';

const maxHeaderBytes = 32_768;
const maxInterimAnswers = 16;
/** For the head of an answer: long enough for calls that wait for news. */
const answerDeadlineMs = 300_000;

/** What is called, and as what. */
export interface PortTarget {
  port: number;
  /** Path of this server below which the guest's paths are, without a slash at the end. */
  prefix: string;
  /** The guest's path with its query. */
  path: string;
  /** Whoever has the URL may call. */
  anyOrigin: boolean;
  /** Throws what says why there is no connection. */
  dial(signal: AbortSignal): Promise<Duplex>;
}

export interface Ask {
  method: string;
  headers: HeaderPairs;
  hasBody: boolean;
  upgrade?: boolean;
  /** Ends the connection, also in the middle of the answer. */
  signal: AbortSignal;
}

export type GuestAnswer = { answer: IncomingMessage } | { answer: IncomingMessage; upgraded: Duplex; head: Buffer };

export interface Asked {
  /** Takes the body. */
  outgoing: ClientRequest;
  /** Throws unavailable for what is no answer of HTTP, deadline_exceeded when none comes. */
  answered: Promise<GuestAnswer>;
}

/** Throws what dialling throws. The connection ends with the answer. */
export async function askGuest(target: PortTarget, { method, headers, hasBody, upgrade, signal }: Ask): Promise<Asked> {
  const socket = await target.dial(signal);
  try {
    const outgoing = httpRequest({
      createConnection: () => socket,
      method,
      path: target.path,
      headers: headersToGuest(headers, { port: target.port, hasBody, upgrade }),
      setHost: false,
      maxHeaderSize: maxHeaderBytes,
    });
    return { outgoing, answered: answerTo(outgoing, socket, target.port) };
  } catch (cause) {
    socket.destroy();
    throw new TvmError('invalid_argument', 'the request cannot be passed on', { cause });
  }
}

async function answerTo(outgoing: ClientRequest, socket: Duplex, port: number): Promise<GuestAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<GuestAnswer>();
  let interim = 0;
  const late = setTimeout(() => outgoing.destroy(tooLate(port)), answerDeadlineMs);
  outgoing.on('response', (answer) => resolve({ answer }));
  outgoing.on('upgrade', (answer, upgraded, head) => resolve({ answer, upgraded, head }));
  outgoing.on('information', () => {
    interim += 1;
    if (interim > maxInterimAnswers) outgoing.destroy(new Error('more interim answers than are taken'));
  });
  outgoing.on('error', (error) => reject(badAnswer(port, error)));
  outgoing.on('close', () => reject(badAnswer(port, new Error('the connection was closed'))));
  // Without an answer nobody else ends it.
  promise.catch(() => socket.destroy());
  try {
    const got = await promise;
    if (!('upgraded' in got)) got.answer.once('close', () => socket.destroy());
    return got;
  } finally {
    clearTimeout(late);
  }
}

function tooLate(port: number): TvmError {
  return new TvmError('deadline_exceeded', `the server at port ${port} did not answer in ${answerDeadlineMs / 1000} s`);
}

function badAnswer(port: number, error: Error): TvmError {
  if (error instanceof TvmError) return error;
  return new TvmError('unavailable', `the server at port ${port} gave no answer of HTTP: ${error.message}`, {
    cause: error,
    reason: 'BadGuestAnswer',
    hint: `"vvm port NAME ${port}" reaches servers that speak something else.`,
  });
}
