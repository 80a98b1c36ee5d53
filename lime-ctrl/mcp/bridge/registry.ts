// The MCP servers that are written down in a machine. Invariant: the file comes from the machine, so it is checked like any
// other input, and only a server that is in it can be started by its name.
import { TvmError } from '@tvm/api/errors.ts';
import { z } from 'zod';
import { type McpServerSpec, mcpServersPath } from '../contract.ts';
import { readFile } from '../machine/files.ts';
import type { Place } from '../machine/guest.ts';

const maxBytes = 262_144;
const line = z.string().max(32_768);

const serverSpec = z.object({
  command: line.min(1),
  args: z.array(line).max(1_000).default([]),
  env: z.record(line, line).default({}),
  cwd: line.default(''),
});
const serversFile = z.object({ servers: z.record(z.string(), serverSpec) });

/** Throws not_found for a server that is not written down, failed_precondition for a file that is unsound. */
export async function findServer(place: Place, name: string): Promise<McpServerSpec> {
  const { servers } = await readServers(place);
  const found = Object.hasOwn(servers, name) ? servers[name] : undefined;
  if (found) return found;
  throw new TvmError('not_found', `there is no MCP server ${name} in this machine`, {
    reason: 'McpServerNotFound',
    hint: `Add it with the tool mcp_server_add. There are: ${Object.keys(servers).slice(0, 20).join(', ') || 'none'}.`,
  });
}

/** None when there is no file. Throws failed_precondition for one that is unsound. */
export async function readServers(place: Place): Promise<z.output<typeof serversFile>> {
  const text = await readText(place);
  if (text === undefined) return { servers: {} };
  try {
    return serversFile.parse(JSON.parse(text));
  } catch (cause) {
    throw new TvmError('failed_precondition', `${mcpServersPath} in the machine is unsound`, {
      cause,
      reason: 'McpServersUnsound',
      hint: 'Remove it and add the servers again with the tool mcp_server_add.',
    });
  }
}

async function readText(place: Place): Promise<string | undefined> {
  try {
    const { bytes } = await readFile(place, mcpServersPath, { offset: 0, limit: maxBytes });
    return bytes.toString('utf8');
  } catch (thrown) {
    const error = TvmError.from(thrown);
    if (error.code === 'not_found' && !error.object?.startsWith('machine/')) return undefined;
    throw error;
  }
}
