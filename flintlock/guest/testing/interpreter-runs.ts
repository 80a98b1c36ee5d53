// Runs a program twice over one agent: by a new interpreter and by the waiting one, for comparison.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Prepared } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import type { GuestConnection } from '../connection.ts';
import { callOnce } from '../machine.ts';
import { type ProcessToStart, startProcess } from '../processes.ts';

export interface Program {
  name: string;
  source: string;
  /** "main.py" and the like; the default is the language's. */
  file?: string;
  arguments?: string[];
  env?: Record<string, string>;
  cwd?: string;
  stdin?: string;
  /** Others beside the script. */
  files?: Record<string, string>;
}

export interface Language {
  interpreter: string;
  command: string[];
  file: string;
}

export interface Ran {
  pid: number;
  stdout: string;
  stderr: string;
  code: number;
  signal: string;
  timedOut: boolean;
}

export function prepare(connection: GuestConnection, name: string, exercise = false): Promise<Prepared> {
  return callOnce(connection, { case: 'prepareInterpreter', value: { name, exercise } }, 'prepared');
}

/** Prepares one and exercises it, and fails when none waits then. Returns its process id. */
export async function prepareOne(connection: GuestConnection, agent: number, name: string): Promise<number> {
  const before = new Set(childrenOf(agent));
  const prepared = await prepare(connection, name, true);
  assert.deepEqual([prepared.waits, prepared.whyNot], [true, '']);
  const made = childrenOf(agent).filter((pid) => !before.has(pid));
  assert.equal(made.length, 1, 'one interpreter was started');
  return made[0] ?? 0;
}

export function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
}

export async function runToEnd(connection: GuestConnection, process: ProcessToStart, stdin?: string): Promise<Ran> {
  const stream = startProcess(connection, { ...process, stdin: stdin !== undefined });
  if (stdin !== undefined) {
    await stream.send({ case: 'stdin', value: Buffer.from(stdin) });
    await stream.send({ case: 'end', value: true });
  }
  const output = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  let pid = 0;
  for await (const body of stream) {
    if (body.case === 'started') pid = body.value.pid;
    if (body.case === 'stdout' || body.case === 'stderr') output[body.case].push(body.value);
    if (body.case !== 'exited') continue;
    const { code, signal, timedOut } = body.value;
    const [stdout, stderr] = [output.stdout, output.stderr].map((chunks) => Buffer.concat(chunks).toString());
    return { pid, stdout: stdout ?? '', stderr: stderr ?? '', code, signal, timedOut };
  }
  throw new Error('the process has not ended');
}

/** Both runs of a program; the second is proven to be the waiting interpreter's. */
export async function runBoth(
  connection: GuestConnection,
  agent: { pid: number; folder: string },
  language: Language,
  program: Program,
): Promise<{ fresh: Ran; waiting: Ran }> {
  const folder = join(agent.folder, 'program');
  await rm(folder, { recursive: true, force: true });
  const script = join(folder, program.file ?? language.file);
  for (const [name, content] of Object.entries({ ...program.files, [basename(script)]: program.source })) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  const process = {
    argv: [...language.command, script, ...(program.arguments ?? [])],
    env: program.env ?? {},
    cwd: program.cwd ?? '',
  };
  const fresh = await runToEnd(connection, process, program.stdin);
  const pid = await prepareOne(connection, agent.pid, language.interpreter);
  const waiting = await runToEnd(connection, { ...process, interpreter: language.interpreter }, program.stdin);
  assert.equal(waiting.pid, pid, 'the waiting interpreter ran it');
  return { fresh, waiting };
}

/** What must be the same: process ids, addresses and how often a recursion is repeated never are. */
export function outcomeOf(ran: Ran): Omit<Ran, 'pid'> {
  const { pid, ...rest } = ran;
  const stable = (text: string) =>
    text
      .replace(new RegExp(`\\b${pid}\\b`, 'g'), 'PID')
      .replace(/0x[0-9a-f]{6,}/g, 'ADDRESS')
      .replace(/repeated \d+ more/g, 'repeated N more');
  return { ...rest, stdout: stable(rest.stdout), stderr: stable(rest.stderr) };
}
