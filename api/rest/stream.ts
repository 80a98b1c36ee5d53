// The WebSocket conversation of execute and exec.
//
// Paths: /v1/execute and /v1/microvms/{name}/exec?namespace=…, subprotocol `stream.v1.tvm`, bearer token in the
// Authorization header. The client's first message is JSON text (executeRequest, or execRequest). After that binary
// messages are a channel byte and bytes (64 KiB at most each), text messages are JSON control.
// Back-pressure is TCP's: a side that does not read stops the other, down to the process in the guest.
import { z } from 'zod';
import { startKinds } from './execute.ts';

export const streamSubprotocol = 'stream.v1.tvm';

/** First byte of a binary message. 0 goes to the guest; 1 and 2 come from it (a terminal uses 1 alone). */
export const channels = { stdin: 0, stdout: 1, stderr: 2 } as const;

export const maxStreamMessageBytes = 1_100_000;

export const terminalSize = z.strictObject({ rows: z.int().min(1).max(10_000), columns: z.int().min(1).max(10_000) });

export const execRequest = z.union([
  z.strictObject({
    argv: z.array(z.string().max(131_072)).min(1).max(1024),
    env: z.record(z.string(), z.string()).default({}),
    cwd: z.string().max(4096).optional(),
    user: z.string().max(256).optional(),
    terminal: terminalSize.optional(),
    stdin: z.boolean().default(true),
    timeoutSeconds: z.number().positive().optional(),
  }),
  z.strictObject({
    attach: z.string().max(128).meta({ description: 'execId of a stream that was lost.' }),
    stdoutOffset: z.int().min(0).default(0),
    stderrOffset: z.int().min(0).default(0),
  }),
]);
export type ExecRequest = z.input<typeof execRequest>;
export type CheckedExecRequest = z.output<typeof execRequest>;

/** Text messages of the client after its first. */
export const clientControl = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('closeStdin') }),
  z.strictObject({ type: z.literal('resize'), rows: z.int().min(1).max(10_000), columns: z.int().min(1).max(10_000) }),
  z.strictObject({ type: z.literal('signal'), signal: z.string().regex(/^SIG[A-Z0-9+-]{1,16}$/) }),
]);
export type ClientControl = z.infer<typeof clientControl>;

export const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
  object: z.string().optional(),
  hint: z.string().optional(),
  reason: z.string().optional(),
  retryAfterSeconds: z
    .int()
    .optional()
    .meta({ description: 'When trying again makes sense; as the header Retry-After.' }),
});
export type Problem = z.infer<typeof problem>;

/** Text messages of the server. `exited` or `error` is the last one; then the server closes with 1000. */
export const serverControl = z.discriminatedUnion('type', [
  z.object({ type: z.literal('progress'), message: z.string() }),
  z.object({
    type: z.literal('started'),
    execId: z.string(),
    stdoutOffset: z.int(),
    stderrOffset: z.int(),
    machine: z.object({
      id: z.string(),
      image: z.string(),
      bootId: z.string(),
      warm: z.boolean(),
      /** Of execute alone: a declared machine was there already. */
      start: z.enum(startKinds).optional(),
    }),
  }),
  z.object({
    type: z.literal('exited'),
    exitCode: z.int(),
    signal: z.string(),
    timedOut: z.boolean(),
    durationMs: z.int(),
  }),
  z.object({ type: z.literal('error'), problem }),
]);
export type ServerControl = z.infer<typeof serverControl>;

/** One line of `POST /v1/execute` with `Accept: application/x-ndjson`: the same, with output as text. */
export const executeEvent = z.union([
  serverControl,
  z.object({ type: z.enum(['stdout', 'stderr']), text: z.string() }),
]);
export type ExecuteEvent = z.infer<typeof executeEvent>;
