// A tool: its schemas, who may use it, and what it does. Invariants: one that the caller's scopes do not cover is not there
// for them; whatever goes wrong in the machine is a result that says so, never a protocol error.
import {
  type CallToolResult,
  type ContentBlock,
  type InputRequiredResult,
  isInputRequiredResult,
  ProtocolError,
  ProtocolErrorCode,
  type Result,
  type ServerContext,
  type ToolAnnotations,
} from '@modelcontextprotocol/server';
import { TvmError } from '@tvm/api/errors.ts';
import { z } from 'zod';
import type { Scope, SessionContext } from '../contract.ts';
import { explain, type Guest, makeGuest } from '../machine/guest.ts';
import type { ServerDeps } from './build-server.ts';
import { iconsOf } from './icons.ts';
import { makeReporter, type Reporter } from './reporter.ts';
import type { TaskWish } from './tasks/task-wish.ts';

export interface ToolCall {
  context: SessionContext;
  guest: Guest;
  deps: ServerDeps;
  report: Reporter;
  /** Aborts when the client cancels the call. */
  signal: AbortSignal;
  /** What the library knows of the request. */
  request: ServerContext['mcpReq'];
  /** Whether the client takes a task in the place of a result that takes long. */
  taskWish: TaskWish;
  /** Whether the client can ask its user something. */
  canAsk: boolean;
}

/** What is known of the client of a call. */
export interface Client {
  taskWish: TaskWish;
  canAsk: boolean;
}

export interface Answer<Output> {
  output: Output;
  /** What a model reads. Default: the output as JSON. */
  content?: ContentBlock[];
  /** The tool could not do what was asked; `output` tells of it all the same. */
  isError?: boolean;
}

/** The call goes on as a task: what is answered in the place of a result. */
export interface Escalated {
  task: Result;
}

export interface ToolSpec<Input extends z.ZodObject, Output extends z.ZodObject> {
  name: string;
  title: string;
  description: string;
  scope: Scope;
  input: Input;
  output: Output;
  annotations: ToolAnnotations;
  /** Whether it may go on as a task. */
  tasks?: boolean;
  run(args: z.output<Input>, call: ToolCall): Promise<Answer<z.output<Output>> | InputRequiredResult | Escalated>;
}

export interface Tool {
  name: string;
  scope: Scope;
  tasks: boolean;
  /** As tools/list tells of it. */
  listing(): Record<string, unknown>;
  call(args: unknown, ctx: ServerContext, deps: ServerDeps, context: SessionContext, client: Client): Promise<Result>;
}

export function defineTool<Input extends z.ZodObject, Output extends z.ZodObject>(spec: ToolSpec<Input, Output>): Tool {
  const { name, scope, title, description, tasks = false } = spec;
  let listing: Record<string, unknown> | undefined;
  return {
    name,
    scope,
    tasks,
    listing() {
      listing ??= {
        name,
        title,
        description,
        inputSchema: z.toJSONSchema(spec.input, { io: 'input' }),
        outputSchema: z.toJSONSchema(spec.output, { io: 'output' }),
        annotations: { title, ...spec.annotations },
        icons: iconsOf(scope),
        ...(tasks && { execution: { taskSupport: 'optional' } }),
      };
      return listing;
    },
    async call(args, ctx, deps, context, client) {
      const parsed = spec.input.safeParse(args ?? {});
      if (!parsed.success) return errorResult(`the arguments of ${name} are wrong: ${z.prettifyError(parsed.error)}`);
      return callTool(spec, parsed.data, ctx, deps, context, client);
    },
  };
}

async function callTool<Input extends z.ZodObject, Output extends z.ZodObject>(
  spec: ToolSpec<Input, Output>,
  args: z.output<Input>,
  ctx: ServerContext,
  deps: ServerDeps,
  context: SessionContext,
  client: Client,
): Promise<Result> {
  const { name } = spec;
  const report = makeReporter(ctx, { clock: deps.clock, tool: name });
  const guest = makeGuest(context, deps.clientOf);
  const { signal } = ctx.mcpReq;
  context.touch();
  try {
    const call = { context, guest, deps, report, signal, request: ctx.mcpReq, ...client };
    const answer = await deps.limit.run(context.session.uid, () => spec.run(args, call));
    if (isInputRequiredResult(answer)) return answer;
    return 'task' in answer ? (answer.task as Result) : resultOf(answer as Answer<unknown>);
  } catch (error) {
    if (error instanceof ProtocolError) throw error;
    if (!(error instanceof TvmError) || error.code === 'internal') {
      deps.log.warn({ err: error, tool: name, session: context.session.uid }, 'tool failed');
    }
    return errorResult(explain(await context.explain(error)));
  } finally {
    context.touch();
    await report.end();
  }
}

export function resultOf({ output, content, isError }: Answer<unknown>): CallToolResult {
  return {
    content: content ?? [text(JSON.stringify(output))],
    structuredContent: output as Record<string, unknown>,
    ...(isError && { isError }),
  };
}

export function errorResult(message: string): CallToolResult {
  return { content: [text(message)], isError: true };
}

export function text(value: string): ContentBlock {
  return { type: 'text', text: value };
}

export function notFound(message: string): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.InvalidParams, message);
}
