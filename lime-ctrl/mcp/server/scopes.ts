// Which scope a request needs that its token does not have, so that a client learns of it as OAuth tells it. Pure. What it does not
// know is refused where it is handled.
import { z } from 'zod';
import type { Scope, SessionContext } from '../contract.ts';
import { parseResourceUri, scopeOfKind } from './resources/resource-uri.ts';
import { allTools } from './tools/all-tools.ts';

const call = z.object({ method: z.literal('tools/call'), params: z.object({ name: z.string() }) });
const use = z.object({
  method: z.enum(['resources/read', 'resources/subscribe']),
  params: z.object({ uri: z.string() }),
});
const scopeOfTool = new Map(allTools.map(({ name, scope }) => [name, scope]));

export function missingScope(body: unknown, { scopes }: SessionContext): Scope | undefined {
  const needed = neededScope(body);
  return needed && !scopes.has(needed) ? needed : undefined;
}

function neededScope(body: unknown): Scope | undefined {
  const called = call.safeParse(body);
  if (called.success) return scopeOfTool.get(called.data.params.name);
  const used = use.safeParse(body);
  const name = used.success ? parseResourceUri(used.data.params.uri) : undefined;
  return name && scopeOfKind[name.kind];
}
