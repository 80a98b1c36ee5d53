// mcp_server_add, mcp_server_list, mcp_server_remove: programs in the machine that speak MCP, each reachable at a URL of its own.

import { isDeepStrictEqual } from 'node:util';
import { TvmError } from '@tvm/api/errors.ts';
import { z } from 'zod';
import { readServers } from '../../bridge/registry.ts';
import { endServerProcesses } from '../../bridge/server-process.ts';
import { type McpServerSpec, mcpServersPath } from '../../contract.ts';
import { operate, writeFile } from '../../machine/files.ts';
import type { Place } from '../../machine/guest.ts';
import { defineTool, type ToolCall, text } from '../tool.ts';

const maxServers = 64;
const word = z.string().max(4_096);
const serverName = z.string().regex(/^[a-zA-Z0-9][\w.-]{0,63}$/);
const serverView = z.object({ name: z.string(), url: z.string(), command: z.string(), args: z.array(z.string()) });
const changes = { readOnlyHint: false, idempotentHint: true, openWorldHint: false };

export const mcpServerAdd = defineTool({
  name: 'mcp_server_add',
  title: 'Add an MCP server',
  description:
    'Makes a program of the machine that speaks MCP over stdin and stdout reachable at a URL of its own, with the token of this session. It is started when it is first called; one of the same name that runs with other settings is ended.',
  scope: 'vm:admin',
  input: z.object({
    name: serverName,
    command: word.min(1).describe('The program.'),
    args: z.array(word).max(100).default([]),
    env: z.record(word, word).default({}),
    cwd: word.optional(),
  }),
  output: serverView,
  annotations: { ...changes, destructiveHint: true },
  async run({ name, command, args, env, cwd }, { guest, context }) {
    const place = await guest.place();
    const { servers } = await readServers(place);
    if (!Object.hasOwn(servers, name) && Object.keys(servers).length >= maxServers) {
      throw new TvmError('resource_exhausted', `there are ${maxServers} MCP servers already`);
    }
    const spec: McpServerSpec = { command, args, env, ...(cwd !== undefined && { cwd }) };
    await writeServers(place, { ...servers, [name]: spec });
    const before = Object.hasOwn(servers, name) ? servers[name] : undefined;
    if (before && !isDeepStrictEqual(before, { ...spec, cwd: cwd ?? '' })) await endServerProcesses(place, name);
    const output = viewOf(context.url, name, spec);
    return { output, content: [text(`${name} is reachable at ${output.url} with the token of this session.`)] };
  },
});

export const mcpServerList = defineTool({
  name: 'mcp_server_list',
  title: 'List MCP servers',
  description: 'The MCP servers of the machine and where they are reached.',
  scope: 'vm:read',
  input: z.object({}),
  output: z.object({ servers: z.array(serverView) }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  async run(_args, { guest, context }) {
    const { servers } = await readServers(await guest.place());
    const views = Object.entries(servers).slice(0, maxServers);
    return { output: { servers: views.map(([name, spec]) => viewOf(context.url, name, spec)) } };
  },
});

export const mcpServerRemove = defineTool({
  name: 'mcp_server_remove',
  title: 'Remove an MCP server',
  description: 'Ends an MCP server of the machine and makes it unreachable.',
  scope: 'vm:admin',
  input: z.object({ name: serverName }),
  output: z.object({ name: z.string(), removed: z.boolean() }),
  annotations: { ...changes, destructiveHint: true },
  async run({ name }, { guest }: ToolCall) {
    const place = await guest.place();
    const { servers } = await readServers(place);
    const { [name]: found, ...rest } = servers;
    if (found) await writeServers(place, rest);
    await endServerProcesses(place, name);
    return { output: { name, removed: found !== undefined } };
  },
});

async function writeServers(place: Place, servers: Record<string, McpServerSpec>): Promise<void> {
  const fresh = `${mcpServersPath}.new`;
  const bytes = Buffer.from(JSON.stringify({ servers }, null, 2));
  await writeFile(place, fresh, bytes, { makeParents: true, mode: 0o600 });
  await operate(place, { case: 'move', value: { from: fresh, to: mcpServersPath, overwrite: true } });
}

function viewOf(sessionUrl: string, name: string, { command, args = [] }: McpServerSpec): z.infer<typeof serverView> {
  return { name, url: `${sessionUrl.replace(/\/mcp$/, '')}/servers/${name}/mcp`, command, args };
}
