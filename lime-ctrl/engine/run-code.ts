// Code as a process in a machine: its source goes in as a file, its output comes out as events.
import { randomUUID } from 'node:crypto';
import type { Machine } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { CheckedExecuteRequest } from '@tvm/api/rest/execute.ts';
import type { FlintlockClient } from '../flintlock/client.ts';
import { languageRules } from './languages.ts';
import { type InputBody, type ProcessEvent, streamProcess } from './process-stream.ts';

const inlineMaxBytes = 65_536;
const chunkBytes = 65_536;

/** `inputs`: what the process is given besides its code; undefined: the stdin of the request, or none. */
export async function* runCode(
  client: FlintlockClient,
  { uid, spec }: Machine,
  request: CheckedExecuteRequest,
  inputs: AsyncIterable<InputBody> | undefined,
  signal: AbortSignal,
): AsyncGenerator<ProcessEvent, void> {
  const { path, program, interpreter } = languageRules[request.language];
  const content = new TextEncoder().encode(request.code);
  const inline = content.length <= inlineMaxBytes;
  if (!inline) await client.writeFile(fileMessages(uid, path, content), { signal });
  const stdin = inputs ?? (request.stdin === undefined ? undefined : textInput(request.stdin));
  const process = {
    id: randomUUID(),
    argv: [...program, path, ...request.args],
    interpreter: interpreter === spec?.interpreter ? interpreter : '',
    env: request.env,
    stdin: stdin !== undefined,
    timeoutMs: Math.max(1, Math.round(request.timeoutSeconds * 1000)),
    files: inline ? [{ path, content }] : [],
  };
  yield* streamProcess(client, { body: { case: 'start', value: { uid, process } } }, stdin ?? noInput(), signal);
}

async function* fileMessages(uid: string, path: string, content: Uint8Array) {
  yield { body: { case: 'start' as const, value: { uid, file: { path } } } };
  for (let at = 0; at < content.length; at += chunkBytes) {
    yield { body: { case: 'chunk' as const, value: content.subarray(at, at + chunkBytes) } };
  }
}

async function* textInput(text: string): AsyncIterable<InputBody> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    yield { case: 'stdin', value: bytes.subarray(at, at + chunkBytes) };
  }
  yield { case: 'end', value: true };
}

async function* noInput(): AsyncIterable<InputBody> {}
