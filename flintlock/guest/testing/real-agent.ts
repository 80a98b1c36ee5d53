// The real agent as an ordinary process of this machine, for tests: same code and protocol as in a guest, no VM.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { makeCache } from '@tvm/images/cache.ts';
import { makeAgents } from '@tvm/images/kernel/agent.ts';
import { pathsFrom } from '@tvm/kit/paths.ts';
import { connect } from '../connect.ts';
import type { GuestConnection } from '../connection.ts';

export interface RealAgent extends AsyncDisposable {
  /** A new connection; it replaces the one before. */
  connect(): Promise<GuestConnection>;
  /** The bare channel, to say anything on. */
  dial(): Socket;
  /** A folder for the test's files, removed at the end. */
  folder: string;
  pid: number;
}

/** Builds the agent where the cache has none for these sources, and starts it. */
export async function startAgent(): Promise<RealAgent> {
  const source = resolve(import.meta.dirname, '../../../guest');
  const cache = makeCache(pathsFrom(process.env).cache);
  const binary = await makeAgents(cache, source)(() => undefined, new AbortController().signal);
  const folder = await mkdtemp(join(tmpdir(), 'tvm-agent-'));
  const path = join(folder, 'agent.sock');
  const child = spawn(binary, ['--listen', `unix:${path}`], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, TMPDIR: folder },
  });
  const exited = once(child, 'exit');
  while (!existsSync(path) && child.exitCode === null) await new Promise((done) => setTimeout(done, 5));
  const dial = () => createConnection(path);
  return {
    dial,
    connect: () => connect(dial(), { timeoutMs: 10_000 }),
    folder,
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
      await rm(folder, { recursive: true });
    },
  };
}
