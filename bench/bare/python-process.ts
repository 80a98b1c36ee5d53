// The process that the product starts for a snippet of Python. Invariant: bare machines and RPC calls start the same.
import type { ProcessToStart } from '@tvm/flintlock/guest/processes.ts';
import { languageRules } from '@tvm/lime-ctrl/engine/languages.ts';
import type { Snippet } from '../snippet.ts';

/** `interpreter`: the waiting one that may run it; empty: a new process. */
export function pythonProcess({ code }: Snippet, interpreter: string): ProcessToStart {
  const { path, program } = languageRules.python;
  const files = [{ path, content: new TextEncoder().encode(code) }];
  return { argv: [...program, path], interpreter, files, timeoutMs: 60_000 };
}
