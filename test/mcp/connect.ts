// Clients of the official library, with a token.
import { Client, type ClientOptions, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import type { Target } from './conformance.ts';

export const eras = ['legacy', 'modern'] as const;
export type Era = (typeof eras)[number];

/** Connected; `await client.close()` is the caller's. */
export async function connect({ url, token }: Target, era: Era, options: ClientOptions = {}): Promise<Client> {
  const mode = era === 'legacy' ? 'legacy' : { pin: '2026-07-28' };
  const client = new Client({ name: 'test', version: '1' }, { ...options, versionNegotiation: { mode } });
  const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }), {
    timeout: patienceMs,
  });
  return client;
}

/** A server in a machine that is emulated takes its time to start. */
export const patienceMs = 120_000;

/** The text of a tool's answer. */
export async function callText(client: Client, name: string, args: Record<string, unknown> = {}): Promise<string> {
  const { content } = await client.callTool({ name, arguments: args }, { timeout: patienceMs });
  return (content as { text?: string }[]).map(({ text = '' }) => text).join('\n');
}
