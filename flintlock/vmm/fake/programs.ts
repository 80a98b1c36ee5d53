// The programs of the fake guest: a few shell words, and "interpreters" that run a line of them at a time.
// Invariant: a program ends when `signal` aborts.
import { setTimeout as sleep } from 'node:timers/promises';
import { echoServer, type FakeServer, fileServer } from './ports.ts';

export interface ProgramIo {
  stdout(data: string | Uint8Array): Promise<void>;
  stderr(data: string): Promise<void>;
  /** The next bytes of standard input; undefined at its end. */
  stdin(): Promise<Uint8Array | undefined>;
  env: Record<string, string>;
  hostname(): string;
  readFile(path: string): string | undefined;
  /** Serves a port until disposed of; throws when it is taken. */
  listen(port: number, server: FakeServer): Disposable;
  signal: AbortSignal;
}

const interpreters = new Set(['python3', 'python', 'node', 'bash', 'sh', '/bin/sh', '/bin/bash']);
const yesBlock = 'y\n'.repeat(16 * 1024);

/** Runs to its end and returns the exit code; 127 for a program that the fake guest has not. */
export async function runProgram(argv: string[], io: ProgramIo): Promise<number> {
  const [name = '', ...args] = argv;
  if (args[0] === '-m' && args[1] === 'http.server') return await listen(io, args[2], fileServer(io.readFile));
  if (interpreters.has(name)) return await interpret(args, io);
  switch (name) {
    case 'echo':
      await io.stdout(`${args.join(' ')}\n`);
      return 0;
    case 'warn':
      await io.stderr(`${args.join(' ')}\n`);
      return 0;
    case 'true':
      return 0;
    case 'false':
      return 1;
    case 'exit':
      return Number(args[0] ?? 0) & 255;
    case 'sleep':
      await sleep(Number(args[0] ?? 0) * 1000, undefined, { signal: io.signal }).catch(() => undefined);
      return 0;
    case 'hostname':
      await io.stdout(`${io.hostname()}\n`);
      return 0;
    case 'printenv':
      await io.stdout(`${io.env[args[0] ?? ''] ?? ''}\n`);
      return 0;
    case 'cat':
      return await copyInput(io);
    case 'echo-server':
      return await listen(io, args[0], echoServer);
    case 'yes':
      while (!io.signal.aborted) await io.stdout(yesBlock);
      return 0;
    default:
      await io.stderr(`${name}: not found\n`);
      return 127;
  }
}

/** Until it is killed. */
async function listen(io: ProgramIo, port = '8000', server: FakeServer): Promise<number> {
  using _listening = io.listen(Number(port), server);
  await io.stdout(`serving port ${port}\n`);
  await new Promise((resolve) => io.signal.addEventListener('abort', resolve, { once: true }));
  return 0;
}

async function copyInput(io: ProgramIo): Promise<number> {
  for (let data = await io.stdin(); data !== undefined; data = await io.stdin()) await io.stdout(data);
  return 0;
}

async function interpret(args: string[], io: ProgramIo): Promise<number> {
  let code = 0;
  for (const line of (await sourceOf(args, io)).split('\n')) {
    if (line.trim() === '' || line.startsWith('#') || io.signal.aborted) continue;
    const words = wordsOf(line.trim());
    code = await runProgram(words, io);
    if (words[0] === 'exit') return code;
  }
  return code;
}

async function sourceOf(args: string[], io: ProgramIo): Promise<string> {
  const flag = args.findIndex((word) => word === '-c' || word === '-e');
  // A script that hands its argument on to whichever shell there is.
  const [script = '', , handedOn = ''] = flag >= 0 ? args.slice(flag + 1) : [];
  if (flag >= 0) return script.includes('"$1"') ? handedOn : script;
  const path = args.find((word) => !word.startsWith('-'));
  if (path !== undefined) return io.readFile(path) ?? '';
  const parts: Uint8Array[] = [];
  for (let data = await io.stdin(); data !== undefined; data = await io.stdin()) parts.push(data);
  return Buffer.concat(parts).toString();
}

function wordsOf(line: string): string[] {
  const printed = /^(?:print|console\.log)\((['"]?)(.*)\1\);?$/.exec(line);
  if (printed) return ['echo', printed[2] ?? ''];
  const ended = /^(?:(?:sys|process)\.)?exit\((\d*)\);?$/.exec(line);
  if (ended) return ['exit', ended[1] || '0'];
  return line.split(/\s+/);
}
