// What a client carries between a question and its answer. Invariant: it proves that the question was asked here, of this caller,
// by this tool, and not long ago; it holds nothing that the client may not read.
import { z } from 'zod';
import { callerOf } from './executions.ts';
import type { ToolCall } from './tool.ts';

const lifeMs = 600_000;
const purpose = 'request-state';
const state = z.object({ tool: z.string(), untilMs: z.number() });

export function mintRequestState({ deps, context }: ToolCall, tool: string): Promise<string> {
  return deps.seal.close(purpose, callerOf(context), { tool, untilMs: deps.clock.now() + lifeMs });
}

/** Whether the call answers a question that the tool has asked. */
export async function answersQuestion({ deps, context, request }: ToolCall, tool: string): Promise<boolean> {
  const given = request.requestState();
  if (request.inputResponses === undefined || typeof given !== 'string') return false;
  const opened = state.safeParse(await deps.seal.open(purpose, callerOf(context), given));
  return opened.success && opened.data.tool === tool && deps.clock.now() <= opened.data.untilMs;
}
