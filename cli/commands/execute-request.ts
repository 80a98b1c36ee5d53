// From what was typed to the request: where the code comes from and which language it is in.
import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { type ExecuteRequest, executeRequest, type Language, languages } from '@tvm/api/rest/execute.ts';
import type { Environment } from '../config.ts';
import { usageError } from '../exit-codes.ts';
import { networkOf } from './network-options.ts';
import { type LimitOptions, limitsAndSecrets } from './parse-limits.ts';
import { parseCount, parseMegabytes, parseSeconds, parseVariables } from './parse-options.ts';

export interface ExecuteOptions extends LimitOptions {
  file?: string;
  language?: string;
  image?: string;
  cpu?: string;
  memory?: string;
  timeout?: string;
  egress?: string;
  allow?: string[];
  env?: string[];
  json?: boolean;
  namespace?: string;
}

/** Where the code is: given as it is, in a file, or on standard input. */
export type CodeSource = { kind: 'text'; text: string } | { kind: 'file'; path: string } | { kind: 'stdin' };

const languageOfSuffix: Record<string, Language> = {
  '.py': 'python',
  '.js': 'node',
  '.cjs': 'node',
  '.mjs': 'node',
  '.sh': 'bash',
  '.bash': 'bash',
};

const maxCodeBytes = 1_048_576;

/** Splits the operands: the code, unless a file is given, then the program's arguments. */
export function codeSource(operands: string[], file: string | undefined): { source: CodeSource; args: string[] } {
  if (file === '-') return { source: { kind: 'stdin' }, args: operands };
  if (file !== undefined) return { source: { kind: 'file', path: file }, args: operands };
  const [text, ...args] = operands;
  if (text === undefined)
    throw usageError('there is no code to execute', 'Write vvm execute CODE, -f FILE, or - for standard input.');
  return { source: text === '-' ? { kind: 'stdin' } : { kind: 'text', text }, args };
}

/** The language asked for; else what the file's suffix or its first line says; else python for code without a file. */
export function languageOf(asked: string | undefined, source: CodeSource, code: string): Language {
  if (asked !== undefined) {
    const known = languages.find((each) => each === asked);
    if (known) return known;
    throw usageError(`unknown language "${asked}"`, `Known: ${languages.join(', ')}.`);
  }
  const bySuffix = source.kind === 'file' ? languageOfSuffix[extname(source.path).toLowerCase()] : undefined;
  const found = bySuffix ?? languageOfFirstLine(code);
  if (found) return found;
  if (source.kind !== 'file') return 'python';
  throw usageError(`${source.path} does not say its language`, `Add --language ${languages.join('|')}.`);
}

function languageOfFirstLine(code: string): Language | undefined {
  const [, path = '', argument] = /^#!\s*(\S+)(?:[^\S\n]+(\S+))?/.exec(code) ?? [];
  const program = basename(path) === 'env' ? argument : basename(path);
  if (program?.startsWith('python')) return 'python';
  if (program === 'node') return 'node';
  return program === 'bash' || program === 'sh' ? 'bash' : undefined;
}

export async function readCode(source: CodeSource, stdin: AsyncIterable<Uint8Array>): Promise<string> {
  if (source.kind === 'text') return source.text;
  const bytes = source.kind === 'stdin' ? await readAll(stdin) : await readCodeFile(source.path);
  if (bytes.length > maxCodeBytes) throw tooLong();
  return bytes.toString('utf8');
}

async function readCodeFile(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw usageError(`cannot read the code: ${why}`, 'Give the path of a file, or - for standard input.');
  }
}

async function readAll(stdin: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of stdin) {
    size += part.length;
    if (size > maxCodeBytes) throw tooLong();
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function tooLong() {
  return usageError(
    'the code is longer than 1 MiB',
    'Start a machine (vvm create), copy the files (vvm cp), run them (vvm exec).',
  );
}

/** The request, with the server's own limits checked here, so that a wrong value is a usage error. */
export function requestOf(
  code: string,
  language: Language,
  args: string[],
  options: ExecuteOptions,
  environment: Environment,
): ExecuteRequest {
  const network = networkOf(options);
  const request = {
    code,
    language,
    args,
    ...(options.image !== undefined && { image: options.image }),
    ...(options.cpu !== undefined && { cpu: parseCount(options.cpu, 'cpus') }),
    ...(options.memory !== undefined && { memory: parseMegabytes(options.memory) }),
    ...(options.timeout !== undefined && { timeoutSeconds: parseSeconds(options.timeout) }),
    ...(network && { network }),
    ...limitsAndSecrets(options),
    ...(options.env && { env: parseVariables(options.env, environment) }),
  };
  const checked = executeRequest.safeParse(request);
  if (checked.success) return request;
  const [first] = checked.error.issues;
  throw usageError(`${first?.path.join('.') || 'request'}: ${first?.message ?? 'wrong'}`, 'See vvm execute --help.');
}
