// Contexts of code: processes in the machine that run one cell after the other and keep what the cells have made. Invariants: a
// context is found by its caller, language and name alone, so by every replica; one that has ended is followed by a new one.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import type { SessionContext } from '../../../contract.ts';
import type { Place } from '../../../machine/guest.ts';
import { killProcess, listProcesses, noInput, startProcess } from '../../../machine/processes.ts';
import type { Seal } from '../../../seal.ts';
import { callerOf } from '../../executions.ts';

export const languages = ['python', 'node', 'bash'] as const;
export type CodeLanguage = (typeof languages)[number];

export const codeFolder = '/run/tvm/code';
const startDeadlineMs = 60_000;
const kind = 'c';
const attempts = 3;

const drivers: Record<CodeLanguage, { file: string; program: string[] }> = {
  python: { file: 'python.py', program: ['python3', '-u'] },
  node: { file: 'node.cjs', program: ['node'] },
  bash: { file: 'bash.sh', program: ['bash'] },
};
const sources = new Map(
  Object.values(drivers).map(({ file }) => [file, readFileSync(join(import.meta.dirname, 'drivers', file))]),
);

export interface ContextName {
  language: CodeLanguage;
  name: string;
}

/** The process id of the context, started when it does not run. Throws what the start of a process throws. */
export async function obtainContext(
  place: Place,
  seal: Seal,
  caller: SessionContext,
  wanted: ContextName,
): Promise<string> {
  const prefix = await prefixOf(seal, caller, wanted);
  for (let attempt = 1; ; attempt += 1) {
    const own = (await listProcesses(place)).filter(({ id }) => id.startsWith(prefix));
    const running = own.find(({ exited }) => !exited);
    if (running) return running.id;
    const numbers = own.map(({ id }) => Number(id.slice(prefix.length)));
    const id = `${prefix}${Math.max(0, ...numbers) + 1}`;
    try {
      await startContext(place, id, wanted.language);
      return id;
    } catch (error) {
      // Another call was faster.
      if (TvmError.from(error).code !== 'already_exists' || attempt === attempts) throw error;
    }
  }
}

/** Ends the context, if it runs; the next cell begins a new one. */
export async function endContext(place: Place, seal: Seal, caller: SessionContext, wanted: ContextName): Promise<void> {
  const prefix = await prefixOf(seal, caller, wanted);
  for (const { id, exited } of await listProcesses(place)) {
    if (id.startsWith(prefix) && !exited) await killProcess(place, id);
  }
}

async function prefixOf(seal: Seal, caller: SessionContext, { language, name }: ContextName): Promise<string> {
  return `${await seal.named(kind, callerOf(caller), `${language}/${name}`)}.`;
}

async function startContext(place: Place, id: string, language: CodeLanguage): Promise<void> {
  const { file, program } = drivers[language];
  const path = `${codeFolder}/${file}`;
  const process = {
    id,
    keep: true,
    stdin: true,
    argv: [...program, path, `${codeFolder}/cells`],
    files: [{ path, content: sources.get(file) ?? Buffer.alloc(0) }],
  };
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, AbortSignal.timeout(startDeadlineMs)]);
  try {
    for await (const event of startProcess(place, process, noInput(), signal)) if (event.type === 'started') return;
    throw new TvmError('unavailable', `the ${language} context did not start`);
  } catch (error) {
    if (TvmError.from(error).reason !== 'ProgramNotStarted') throw error;
    throw new TvmError('failed_precondition', `this machine cannot run ${language}: ${TvmError.from(error).message}`, {
      reason: 'LanguageMissing',
      hint: `Its image has no ${program[0]}. Use another language, or a session of an image that has it: tvm/node has python, node and bash.`,
    });
  } finally {
    over.abort();
  }
}
