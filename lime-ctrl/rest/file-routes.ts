// /v1/microvms/{name}/files: the files of a running machine, streamed at the slower side's pace.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { z } from '@hono/zod-openapi';
import { TvmError } from '@tvm/api/errors.ts';
import type { FileOperationRequestSchema, ReadFileResponse } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { FileInfo } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import { fileOperation, fileView } from '@tvm/api/rest/microvms.ts';
import { type App, addEndpoint } from './endpoint.ts';
import { fileViewOf } from './file-view.ts';
import { type FoundMachine, findMachineToUse, type LookupDeps } from './machine-lookup.ts';
import { nameParams, namespaceQuery } from './microvm-routes.ts';
import { cutWhenBroken, jsonResponse, streamResponse } from './responses.ts';

const chunkBytes = 65_536;
const callDeadlineMs = 60_000;
const pathQuery = namespaceQuery.extend({ path: z.string().min(1).max(4096) });
const oneFile = { status: 200, description: 'The file.', content: { 'application/json': fileView } };

export function addFileRoutes(app: App, deps: LookupDeps): void {
  const files = '/v1/microvms/{name}/files';
  addEndpoint(app, {
    method: 'get',
    path: files,
    summary: 'The entries of a directory.',
    params: nameParams,
    query: pathQuery.extend({ depth: z.coerce.number().int().min(1).max(64).default(1) }),
    answers: {
      status: 200,
      description: 'Sorted by path.',
      content: { 'application/json': z.object({ files: z.array(fileView) }) },
    },
    handle: async ({ namespace, params, query }) => {
      const machine = await findMachineToUse(deps, namespace, params.name);
      const value = { path: query.path, depth: query.depth };
      return jsonResponse({ files: (await operate(machine, { case: 'list', value })).map(fileViewOf) });
    },
  });
  addEndpoint(app, {
    method: 'get',
    path: `${files}/stat`,
    summary: 'What a file is.',
    params: nameParams,
    query: pathQuery,
    answers: oneFile,
    handle: async ({ namespace, params, query }) => {
      const machine = await findMachineToUse(deps, namespace, params.name);
      return oneOf(await operate(machine, { case: 'stat', value: { path: query.path } }));
    },
  });
  addEndpoint(app, {
    method: 'post',
    path: files,
    summary: 'Move a file, or make a directory.',
    params: nameParams,
    query: namespaceQuery,
    body: fileOperation,
    answers: oneFile,
    handle: async ({ namespace, params, body }) =>
      oneOf(await operate(await findMachineToUse(deps, namespace, params.name), operationOf(body))),
  });
  addEndpoint(app, {
    method: 'delete',
    path: files,
    summary: 'Remove a file, or with recursive a directory and all in it.',
    params: nameParams,
    query: pathQuery.extend({ recursive: z.stringbool().default(false) }),
    answers: { status: 204, description: 'It is gone.' },
    handle: async ({ namespace, params, query }) => {
      const machine = await findMachineToUse(deps, namespace, params.name);
      await operate(machine, { case: 'remove', value: { path: query.path, recursive: query.recursive } });
      return new Response(null, { status: 204 });
    },
  });
  addContentRoutes(app, deps, `${files}/content`);
}

function addContentRoutes(app: App, deps: LookupDeps, path: string): void {
  addEndpoint(app, {
    method: 'get',
    path,
    summary: 'The bytes of a file. Header Tvm-File: what it is, as URI-encoded JSON.',
    params: nameParams,
    query: pathQuery,
    answers: { status: 200, description: 'The bytes.', content: { 'application/octet-stream': z.string() } },
    handle: async ({ namespace, params, query, context, gone }) => {
      const { client, uid } = await findMachineToUse(deps, namespace, params.name);
      const stream = client.readFile({ uid, file: { path: query.path } }, { signal: gone });
      const messages = stream[Symbol.asyncIterator]();
      const first = await messages.next();
      if (first.done || first.value.body.case !== 'info') throw new TvmError('internal', 'the node told no file');
      const header = { 'tvm-file': encodeURIComponent(JSON.stringify(fileViewOf(first.value.body.value))) };
      return cutWhenBroken(streamResponse(chunksOf(messages), 'application/octet-stream', header), context.env);
    },
  });
  addEndpoint(app, {
    method: 'put',
    path,
    summary: 'Write a file from the bytes of the body.',
    params: nameParams,
    query: pathQuery.extend({
      mode: z.coerce.number().int().min(0).max(0o7777).optional(),
      mtimeMs: z.coerce.number().min(0).optional(),
      makeParents: z.stringbool().default(false),
    }),
    answers: oneFile,
    handle: async ({ namespace, params, query, context, gone }) => {
      const { client, uid } = await findMachineToUse(deps, namespace, params.name);
      const file = {
        path: query.path,
        mode: query.mode ?? 0,
        makeParents: query.makeParents,
        mtimeNs: BigInt(Math.round((query.mtimeMs ?? 0) * 1000)) * 1000n,
      };
      const written = await client.writeFile(writeMessages(uid, file, context.req.raw.body ?? []), { signal: gone });
      return jsonResponse(fileViewOf(written));
    },
  });
}

type Operation = NonNullable<MessageInitShape<typeof FileOperationRequestSchema>['operation']>;

async function operate({ client, uid }: FoundMachine, operation: Operation): Promise<FileInfo[]> {
  return (await client.fileOperation({ uid, operation }, { timeoutMs: callDeadlineMs })).files;
}

function operationOf(body: z.output<typeof fileOperation>): Operation {
  if (body.operation === 'move')
    return { case: 'move', value: { from: body.from, to: body.to, overwrite: body.overwrite } };
  return { case: 'makeDirectory', value: { path: body.path, mode: body.mode ?? 0, parents: body.parents } };
}

function oneOf([file]: FileInfo[]): Response {
  if (!file) throw new TvmError('internal', 'the node told no file');
  return jsonResponse(fileViewOf(file));
}

async function* chunksOf(messages: AsyncIterator<ReadFileResponse>): AsyncIterable<Uint8Array> {
  try {
    for (let next = await messages.next(); !next.done; next = await messages.next()) {
      if (next.value.body.case === 'chunk') yield next.value.body.value;
    }
  } finally {
    await messages.return?.();
  }
}

async function* writeMessages(
  uid: string,
  file: { path: string; mode: number; makeParents: boolean; mtimeNs: bigint },
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
) {
  yield { body: { case: 'start' as const, value: { uid, file } } };
  for await (const bytes of body) {
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      yield { body: { case: 'chunk' as const, value: bytes.subarray(at, at + chunkBytes) } };
    }
  }
}
