// $TVM_HOME/service.json: what the running service says of itself. Written whole (rename), mode 0600.
// Invariant: it is believed only while the process that wrote it lives.
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { isAlive } from './process-identity.ts';

export const partNames = ['apiserver', 'flintlock', 'lime-ctrl'] as const;
export type PartName = (typeof partNames)[number];

const partView = z.object({
  state: z.enum(['starting', 'running', 'restarting', 'stopped']),
  pid: z.int().optional(),
  restarts: z.int(),
  /** Why it ended last. */
  lastEnd: z.string().optional(),
});
export type PartView = z.infer<typeof partView>;

const failure = z.object({ code: z.string(), message: z.string(), hint: z.string().optional() });

export const serviceState = z.object({
  pid: z.int(),
  startTime: z.string(),
  startedAt: z.string(),
  version: z.string(),
  state: z.enum(['starting', 'running', 'stopping', 'failed']),
  /** What is going on, for a person. */
  message: z.string(),
  failure: failure.optional(),
  url: z.string().optional(),
  kubeconfig: z.string().optional(),
  flintlock: z.string().optional(),
  tokensFile: z.string(),
  logFile: z.string(),
  parts: z.partialRecord(z.enum(partNames), partView),
});
export type ServiceState = z.infer<typeof serviceState>;

export function serviceFilePath(home: string): string {
  return join(home, 'service.json');
}

/** Undefined when there is none, or what is there cannot be read as one. `alive` says whether its writer lives. */
export function readServiceFile(home: string): { state: ServiceState; alive: boolean } | undefined {
  let text: string;
  try {
    text = readFileSync(serviceFilePath(home), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const parsed = serviceState.safeParse(parseJson(text));
  return parsed.success ? { state: parsed.data, alive: isAlive(parsed.data) } : undefined;
}

export function writeServiceFile(home: string, state: ServiceState): void {
  const path = serviceFilePath(home);
  const fresh = `${path}.${process.pid}`;
  writeFileSync(fresh, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(fresh, path);
}

export function removeServiceFile(home: string): void {
  rmSync(serviceFilePath(home), { force: true });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
