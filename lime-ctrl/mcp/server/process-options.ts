// What every tool that starts a process can be told of it.
import { z } from 'zod';

export const maxTimeoutSeconds = 86_400;

export const processOptions = {
  cwd: z.string().min(1).max(4_096).optional().describe("Where it runs. Default: the user's home."),
  env: z
    .record(z.string().min(1).max(256), z.string().max(32_768))
    .optional()
    .describe("Variables over the machine's own."),
  user: z.string().min(1).max(64).optional().describe('Who runs it. Default: root.'),
};

export const timeoutSeconds = (fallback: number) =>
  z
    .number()
    .positive()
    .max(maxTimeoutSeconds)
    .default(fallback)
    .describe(`Seconds after which it is killed with all it has started. Default: ${fallback}.`);

export interface ProcessOptions {
  cwd?: string | undefined;
  env?: Record<string, string> | undefined;
  user?: string | undefined;
}

export function startFields({ cwd, env, user }: ProcessOptions) {
  return { cwd: cwd ?? '', env: env ?? {}, user: user ?? '' };
}

/** As a shell runs it: bash where the machine has one. */
export function shellArgv(command: string): string[] {
  const script = 'if command -v bash >/dev/null 2>&1; then exec bash -c "$1" bash; else exec sh -c "$1" sh; fi';
  return ['/bin/sh', '-c', script, 'sh', command];
}
