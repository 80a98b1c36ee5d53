// Files in and out of a machine by a URL that needs no token: it names one file, one direction and an end, and nobody can make
// another of it. Invariants: what is not there any more and what never was look the same; uploads are bounded.
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { z } from 'zod';
import type { FlintlockClient, PlacedMachine } from './contract.ts';
import type { Seal } from './seal.ts';

export const transfersPath = '/transfers/';
export const maxUploadBytes = 2_147_483_648;
const purpose = 'transfer';
const chunkBytes = 65_536;

const grant = z.object({
  /** Of the machine. */
  uid: z.string(),
  path: z.string(),
  direction: z.enum(['download', 'upload']),
  untilMs: z.number(),
});
export type TransferGrant = z.infer<typeof grant>;

export interface TransferDeps {
  clock: Clock;
  log: Logger;
  seal: Seal;
  clientOf(node: string): FlintlockClient;
  machineOf(uid: string): PlacedMachine | undefined;
}

/** The last part of the URL. */
export function sealTransfer(seal: Seal, given: TransferGrant): Promise<string> {
  return seal.close(purpose, '', given);
}

/** Answers GET of a download and PUT of an upload. `text` is the last part of the URL. */
export async function serveTransfer(deps: TransferDeps, request: Request, text: string): Promise<Response> {
  const opened = grant.safeParse(await deps.seal.open(purpose, '', text));
  const placed = opened.success ? deps.machineOf(opened.data.uid) : undefined;
  if (!opened.success || !placed || deps.clock.now() > opened.data.untilMs) {
    return refused(404, 'this transfer is over, or never was: get another URL');
  }
  const { uid, path, direction } = opened.data;
  const client = deps.clientOf(placed.node);
  const method = direction === 'download' ? 'GET' : 'PUT';
  if (request.method !== method) return refused(405, `this URL is for ${method}`, { allow: method });
  try {
    if (direction === 'download') return await download(client, uid, path, request.signal);
    const written = await client.writeFile(upload(uid, path, request.body ?? []), { signal: request.signal });
    return Response.json({ path: written.path, size: Number(written.size) });
  } catch (thrown) {
    const error = TvmError.from(thrown);
    if (error.code === 'internal') deps.log.warn({ err: error }, 'transfer failed');
    return refused(error.code === 'not_found' ? 404 : error.code === 'invalid_argument' ? 413 : 409, error.message);
  }
}

async function download(client: FlintlockClient, uid: string, path: string, signal: AbortSignal): Promise<Response> {
  const messages = client.readFile({ uid, file: { path } }, { signal })[Symbol.asyncIterator]();
  const first = await messages.next();
  if (first.done || first.value.body.case !== 'info') throw new TvmError('internal', 'the node told no file');
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await messages.next();
      if (next.done) return controller.close();
      if (next.value.body.case === 'chunk') controller.enqueue(next.value.body.value);
    },
    async cancel() {
      await messages.return?.();
    },
  });
  const name = encodeURIComponent(path.slice(path.lastIndexOf('/') + 1));
  const headers = {
    'content-type': 'application/octet-stream',
    // What a machine says must never be shown as a page of this server's.
    'content-disposition': `attachment; filename*=UTF-8''${name}`,
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  };
  return new Response(body, { headers });
}

async function* upload(uid: string, path: string, body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
  yield { body: { case: 'start' as const, value: { uid, file: { path, makeParents: true } } } };
  let size = 0;
  for await (const bytes of body) {
    size += bytes.length;
    if (size > maxUploadBytes) {
      throw new TvmError('invalid_argument', `an upload has ${maxUploadBytes} bytes at most`);
    }
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      yield { body: { case: 'chunk' as const, value: bytes.subarray(at, at + chunkBytes) } };
    }
  }
}

function refused(status: number, message: string, headers: Record<string, string> = {}): Response {
  return Response.json({ error: message }, { status, headers: { ...headers, 'cache-control': 'no-store' } });
}
