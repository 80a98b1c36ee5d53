// A process that was looked at, as tools show it.
import type { ContentBlock } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Exchange } from '../machine/exchange.ts';
import { cutAtEnd } from './file-content.ts';

export const processView = z.object({
  exec_id: z.string(),
  running: z.boolean(),
  exit_code: z.int().optional().describe('128 + number when a signal ended it.'),
  signal: z.string().optional(),
  timed_out: z.boolean().optional(),
  stdout: z.string(),
  stderr: z.string(),
  stdout_offset: z.int().describe('Where read_process goes on.'),
  stderr_offset: z.int(),
  lost_bytes: z.int().describe('What the machine no longer had: it keeps the last 256 KiB of each output.'),
});

export const offsets = {
  stdout_offset: z.int().min(0).default(0).describe('Where to go on: that of the look before.'),
  stderr_offset: z.int().min(0).default(0),
};

export const waitSeconds = (fallback: number) =>
  z.number().min(0).max(120).default(fallback).describe('How long to wait for output or the end of it.');

export function processAnswer(
  id: string,
  taken: Exchange,
): { output: z.infer<typeof processView>; content: ContentBlock[] } {
  const { exited, lostBytes } = taken;
  // A character that is cut is left for the next look, unless none comes.
  const keep = (bytes: Buffer) => (exited ? 0 : cutAtEnd(bytes));
  const [outCut, errCut] = [keep(taken.stdout), keep(taken.stderr)];
  const output = {
    exec_id: id,
    running: exited === undefined,
    ...(exited && { exit_code: exited.exitCode, timed_out: exited.timedOut }),
    ...(exited?.signal && { signal: exited.signal }),
    stdout: taken.stdout.subarray(0, taken.stdout.length - outCut).toString(),
    stderr: taken.stderr.subarray(0, taken.stderr.length - errCut).toString(),
    stdout_offset: taken.stdoutOffset - outCut,
    stderr_offset: taken.stderrOffset - errCut,
    lost_bytes: lostBytes,
  };
  const end = exited ? `Ended with exit code ${exited.exitCode}.` : `Running as ${id}.`;
  const parts = [output.stdout, output.stderr && `stderr:\n${output.stderr}`, end];
  return { output, content: [{ type: 'text', text: parts.filter((part) => part !== '').join('\n') }] };
}
