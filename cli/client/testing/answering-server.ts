// The command as a process, against a server that gives the answers of the contract.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

const main = join(import.meta.dirname, '../../main.ts');

/** By "METHOD /path?query", one after the other; the last one stays. */
export type Answers = Record<string, [status: number, body: unknown][]>;

export interface Asked {
  call: string;
  body: unknown;
}

export const problem = (code: string, detail: string, reason?: string) => ({
  type: 't',
  title: 't',
  status: 400,
  detail,
  code,
  reason,
});

/** Runs the command with `folder` as its home; gives what it printed and what it asked. */
export async function runAgainst(folder: string, argv: string[], answers: Answers) {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const call = `${request.method} ${request.url}`;
    asked.push({ call, body: parts.length > 0 ? JSON.parse(Buffer.concat(parts).toString()) : undefined });
    const queue = answers[call] ?? [];
    const [status, body] = (queue.length > 1 ? queue.shift() : queue[0]) ?? [404, problem('not_found', `no ${call}`)];
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const env = { TVM_SERVER: url, TVM_TOKEN: 'token', TVM_HOME: folder, TVM_CACHE_DIR: folder };
  const result = await runCommand(argv, env);
  server.closeAllConnections();
  server.close();
  return { ...result, asked };
}

/** Runs the command with these variables over those of the test. */
export async function runCommand(argv: string[], environment: Record<string, string | undefined>) {
  const env = { ...process.env, ...environment };
  const child = spawn(process.execPath, [main, ...argv], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (data) => (output.stdout += data));
  child.stderr.on('data', (data) => (output.stderr += data));
  const [code] = await once(child, 'close');
  return { code: code as number, ...output };
}
