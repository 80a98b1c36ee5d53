// Prompts that help to work in the machine.
import { completable, type GetPromptResult, type McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { SessionContext } from '../../contract.ts';
import { makeGuest } from '../../machine/guest.ts';
import type { ServerDeps } from '../build-server.ts';
import { instructions } from '../instructions.ts';
import { completePath } from '../resources/complete-path.ts';
import { protocolError } from '../resources/read-resource.ts';
import { fileUri } from '../resources/resource-uri.ts';

export function offerPrompts(mcp: McpServer, deps: ServerDeps, holder: { context: SessionContext }): void {
  mcp.registerPrompt(
    'work_in_the_machine',
    {
      title: 'Work in the machine',
      description: 'How to do a task in this machine.',
      argsSchema: z.object({ task: z.string().max(16_384).describe('What is to be done.') }),
    },
    ({ task }) =>
      said(
        `${instructions}\n\nLook first at what is there (vm_status, list_directory), work in small steps, check each with its output, and end with what was done and where the results are.\n\nThe task: ${task}`,
      ),
  );
  mcp.registerPrompt(
    'analyze_file',
    {
      title: 'Analyze a file',
      description: 'Looks into a file of the machine and tells what is in it.',
      argsSchema: z.object({
        path: completable(z.string().max(4_096).describe('Its path.'), (value) => paths(deps, holder, value ?? '')),
        question: z.string().max(16_384).optional().describe('What you want to know of it.'),
      }),
    },
    ({ path, question }) =>
      said(
        `Look into the file ${path} of the machine (resource ${fileUri(path)}). Find its type and size with stat_file, read its beginning with read_file, and for data load it with run_code (python) and look at its columns, ranges and gaps; draw a figure where that tells more than numbers. ${question ? `The question: ${question}` : 'Tell what it is and what is worth to know of it.'}`,
      ),
  );
  mcp.registerPrompt(
    'fix_command',
    {
      title: 'Fix a command',
      description: 'Runs a command that fails, finds out why, and mends it.',
      argsSchema: z.object({ command: z.string().max(16_384).describe('The command that fails.') }),
    },
    ({ command }) =>
      said(
        `This command fails in the machine:\n\n${command}\n\nRun it with run_command. Read its exit code and stderr, find the cause with the files and programs that it uses, and test one explanation after the other. Change as little as mends it, and run it again to prove it.`,
      ),
  );
}

async function paths(deps: ServerDeps, { context }: { context: SessionContext }, typed: string): Promise<string[]> {
  if (!context.scopes.has('vm:files')) return [];
  try {
    return await completePath(await makeGuest(context, deps.clientOf).place(), typed);
  } catch (error) {
    throw protocolError(error);
  }
}

function said(text: string): GetPromptResult {
  return { messages: [{ role: 'user', content: { type: 'text', text } }] };
}
