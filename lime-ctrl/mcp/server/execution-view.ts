// How the end of a process is told: as data, as text for a model, and as links to what did not fit.
import type { ContentBlock } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Captured } from '../machine/capture.ts';
import type { Ended } from '../machine/run-process.ts';

export const executionView = z.object({
  exec_id: z.string().describe('Names the execution in exec://{id}/stdout and exec://{id}/stderr.'),
  exit_code: z.int().describe('128 + number when a signal ended it.'),
  signal: z.string().optional(),
  timed_out: z.boolean(),
  stdout: z.string(),
  stderr: z.string(),
  stdout_bytes: z.int(),
  stderr_bytes: z.int(),
  truncated: z.boolean().describe('Not all of the output is here: read exec://{id}/stdout or stderr.'),
});
export type ExecutionView = z.infer<typeof executionView>;

export function executionViewOf(id: string, { exitCode, signal, timedOut, stdout, stderr }: Ended): ExecutionView {
  return {
    exec_id: id,
    exit_code: exitCode,
    ...(signal !== '' && { signal }),
    timed_out: timedOut,
    stdout: stdout.text,
    stderr: stderr.text,
    stdout_bytes: stdout.bytes,
    stderr_bytes: stderr.bytes,
    truncated: stdout.truncated || stderr.truncated,
  };
}

export function executionContent(id: string, ended: Ended): ContentBlock[] {
  return [{ type: 'text', text: executionText(ended) }, ...linksOf(id, ended)];
}

function executionText({ exitCode, signal, timedOut, stdout, stderr }: Ended): string {
  const end = timedOut ? 'Its time was up: it was killed.' : signal ? `Ended by ${signal}.` : `Exit code ${exitCode}.`;
  const parts = [stdout.text, stderr.text && `stderr:\n${stderr.text}`, exitCode !== 0 || timedOut ? end : ''];
  return parts.filter((part) => part !== '').join('\n') || 'No output. Exit code 0.';
}

function linksOf(id: string, ended: Ended): ContentBlock[] {
  return (['stdout', 'stderr'] as const).flatMap((channel) =>
    ended[channel].truncated ? [outputLink(id, channel, ended[channel])] : [],
  );
}

function outputLink(id: string, channel: 'stdout' | 'stderr', { bytes }: Captured): ContentBlock {
  return {
    type: 'resource_link',
    uri: `exec://${id}/${channel}`,
    name: channel,
    title: `All of ${channel} that the machine still has`,
    mimeType: 'text/plain',
    size: bytes,
  };
}
