// Whether a client takes a task in the place of a result, as each revision says it.
import { CLIENT_CAPABILITIES_META_KEY, type ServerContext } from '@modelcontextprotocol/server';
import { z } from 'zod';

export const tasksExtension = 'io.modelcontextprotocol/tasks';

/**
 * "none": it does not. "offered" (2026-07-28): the server may answer with a task what takes long. "asked" (2025-11-25): it
 * wants a task at once, kept for `ttlMs`.
 */
export type TaskWish = { kind: 'none' } | { kind: 'offered' } | { kind: 'asked'; ttlMs: number | undefined };

const taskParams = z.object({ task: z.object({ ttl: z.number().min(0).optional() }) });
const capabilities = z.object({ extensions: z.record(z.string(), z.unknown()) });

export function taskWishOf(params: unknown, { mcpReq }: ServerContext): TaskWish {
  const { envelope } = mcpReq;
  if (envelope === undefined) {
    const asked = taskParams.safeParse(params);
    return asked.success ? { kind: 'asked', ttlMs: asked.data.task.ttl } : { kind: 'none' };
  }
  const declared = capabilities.safeParse((envelope as Record<string, unknown>)[CLIENT_CAPABILITIES_META_KEY]);
  return declared.success && tasksExtension in declared.data.extensions ? { kind: 'offered' } : { kind: 'none' };
}
