// A tool: its schemas, who may use it, and what it does. Invariants: one that the caller's scopes do not cover is not there
// for them; whatever goes wrong in the machine is a result that says so, never a protocol error.
import {
  type CallToolResult,
  type ContentBlock,
  type InputRequiredResult,
  isInputRequiredResult,
  type McpServer,
  type ServerContext,
  type ToolAnnotations,
} from '@modelcontextprotocol/server';
import { TvmError } from '@tvm/api/errors.ts';
import type { z } from 'zod';
import type { Scope, SessionContext } from '../contract.ts';
import { explain, type Guest, makeGuest } from '../machine/guest.ts';
import type { ServerDeps } from './build-server.ts';
import { makeReporter, type Reporter } from './reporter.ts';
import { rememberedSchema } from './schema.ts';

export interface ToolCall {
  context: SessionContext;
  guest: Guest;
  deps: ServerDeps;
  report: Reporter;
  /** Aborts when the client cancels the call. */
  signal: AbortSignal;
  /** What the library knows of the request. */
  request: ServerContext['mcpReq'];
}

export interface Answer<Output> {
  output: Output;
  /** What a model reads. Default: the output as JSON. */
  content?: ContentBlock[];
}

export interface ToolSpec<Input extends z.ZodObject, Output extends z.ZodObject> {
  name: string;
  title: string;
  description: string;
  scope: Scope;
  input: Input;
  output: Output;
  annotations: ToolAnnotations;
  run(args: z.output<Input>, call: ToolCall): Promise<Answer<z.output<Output>> | InputRequiredResult>;
}

export interface Tool {
  name: string;
  scope: Scope;
  register(server: McpServer, deps: ServerDeps, holder: { context: SessionContext }): void;
}

export function defineTool<Input extends z.ZodObject, Output extends z.ZodObject>(spec: ToolSpec<Input, Output>): Tool {
  const { name, scope, title, description } = spec;
  return {
    name,
    scope,
    register(server, deps, holder) {
      const config = {
        title,
        description,
        inputSchema: rememberedSchema(spec.input),
        outputSchema: rememberedSchema(spec.output),
        annotations: { title, ...spec.annotations },
      };
      server.registerTool(name, config, (args, ctx) =>
        callTool(spec, args as z.output<Input>, ctx, deps, holder.context),
      );
    },
  };
}

async function callTool<Input extends z.ZodObject, Output extends z.ZodObject>(
  spec: ToolSpec<Input, Output>,
  args: z.output<Input>,
  ctx: ServerContext,
  deps: ServerDeps,
  context: SessionContext,
): Promise<CallToolResult | InputRequiredResult> {
  const { name } = spec;
  const report = makeReporter(ctx, { clock: deps.clock, tool: name });
  const guest = makeGuest(context, deps.clientOf);
  context.touch();
  try {
    const call = { context, guest, deps, report, signal: ctx.mcpReq.signal, request: ctx.mcpReq };
    const answer = await deps.limit.run(context.session.uid, () => spec.run(args, call));
    return isInputRequiredResult(answer) ? answer : resultOf(answer);
  } catch (error) {
    if (!(error instanceof TvmError) || error.code === 'internal') {
      deps.log.warn({ err: error, tool: name, session: context.session.uid }, 'tool failed');
    }
    return { content: [{ type: 'text', text: explain(error) }], isError: true };
  } finally {
    context.touch();
    await report.end();
  }
}

function resultOf({ output, content }: Answer<unknown>): CallToolResult {
  return {
    content: content ?? [{ type: 'text', text: JSON.stringify(output) }],
    structuredContent: output as Record<string, unknown>,
  };
}

export function text(value: string): ContentBlock {
  return { type: 'text', text: value };
}
