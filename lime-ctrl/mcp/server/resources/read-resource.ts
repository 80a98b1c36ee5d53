// What resources say: files, outputs of executions, and the machine itself. Invariant: never more than the bound of one of them.
import {
  ProtocolError,
  ProtocolErrorCode,
  type ReadResourceResult,
  ResourceNotFoundError,
} from '@modelcontextprotocol/server';
import { TvmError } from '@tvm/api/errors.ts';
import { FileType } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import type { SessionContext } from '../../contract.ts';
import { exchange } from '../../machine/exchange.ts';
import { listFiles, readFile, statFile } from '../../machine/files.ts';
import { explain, makeGuest, type Place } from '../../machine/guest.ts';
import { attachProcess, noInput } from '../../machine/processes.ts';
import type { ServerDeps } from '../build-server.ts';
import { checkExecutionId } from '../executions.ts';
import { mimeTypeOf, textOf } from '../file-content.ts';
import { fileViewOf } from '../file-view.ts';
import { parseResourceUri, type ResourceName, scopeOfKind } from './resource-uri.ts';
import { readSelf } from './self-views.ts';

const maxFileBytes = 1_048_576;
const maxOutputBytes = 262_144;
const maxEntries = 1_000;
const outputBounds = { waitMs: 1_000, quietMs: 100, maxBytes: maxOutputBytes };

/** Throws ResourceNotFoundError for what is not there or not the caller's. */
export async function readResource(
  deps: ServerDeps,
  context: SessionContext,
  uri: string,
  signal: AbortSignal,
): Promise<ReadResourceResult> {
  const name = parseResourceUri(uri);
  if (!name) throw new ResourceNotFoundError(uri);
  checkScope(context, name);
  context.touch();
  try {
    return { contents: [{ uri, ...(await contentOf(deps, context, name, signal)) }] };
  } catch (error) {
    if (TvmError.from(error).code === 'not_found') throw new ResourceNotFoundError(uri);
    throw protocolError(await context.explain(error));
  }
}

/** As a protocol error that says what a result of a tool would say. */
export function protocolError(error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error;
  const code =
    TvmError.from(error).code === 'invalid_argument'
      ? ProtocolErrorCode.InvalidParams
      : ProtocolErrorCode.InternalError;
  return new ProtocolError(code, explain(error));
}

export function checkScope({ scopes }: SessionContext, { kind }: ResourceName): void {
  const scope = scopeOfKind[kind];
  if (scopes.has(scope)) return;
  throw new ProtocolError(ProtocolErrorCode.InvalidParams, `the token does not allow this resource: it needs ${scope}`);
}

type Content = { mimeType: string; text: string } | { mimeType: string; blob: string };

async function contentOf(
  deps: ServerDeps,
  context: SessionContext,
  name: ResourceName,
  signal: AbortSignal,
): Promise<Content> {
  if (name.kind === 'self') return asJson(await readSelf(deps, context, name.view));
  const place = await makeGuest(context, deps.clientOf).place();
  if (name.kind === 'file') return fileContent(place, name.path, signal);
  await checkExecutionId(deps.seal, context, name.id);
  const over = new AbortController();
  try {
    const from = { stdout: 0n, stderr: 0n };
    const events = attachProcess(place, name.id, from, noInput(), AbortSignal.any([over.signal, signal]));
    const taken = await exchange(events, { stdout: 0, stderr: 0 }, outputBounds, deps.clock);
    return { mimeType: 'text/plain', text: taken[name.channel].toString() };
  } finally {
    over.abort();
  }
}

async function fileContent(place: Place, path: string, signal: AbortSignal): Promise<Content> {
  const { type } = await statFile(place, path, signal);
  if (type === FileType.DIRECTORY) return directoryContent(place, path, signal);
  const { info, bytes } = await readFile(place, path, { offset: 0, limit: maxFileBytes }, signal);
  if (Number(info.size) > maxFileBytes) {
    throw new TvmError('resource_exhausted', `${path} has ${info.size} bytes, a resource ${maxFileBytes} at most`, {
      hint: 'Read it in parts with the tool read_file, or fetch it with get_transfer_url.',
    });
  }
  const text = textOf(bytes);
  const mimeType = mimeTypeOf(path, text !== undefined);
  return text === undefined ? { mimeType, blob: bytes.toString('base64') } : { mimeType, text };
}

async function directoryContent(place: Place, path: string, signal: AbortSignal): Promise<Content> {
  const files = await listFiles(place, path, 1, signal);
  return asJson({ entries: files.slice(0, maxEntries).map(fileViewOf), total: files.length });
}

function asJson(value: unknown): Content {
  return { mimeType: 'application/json', text: JSON.stringify(value, null, 2) };
}
