// How source text of each language becomes a process.
import type { Language } from '@tvm/api/rest/execute.ts';

interface LanguageRule {
  image: string;
  /** Where the source goes in the machine. */
  path: string;
  /** The program and its flags; the path and the arguments follow. */
  interpreter: string[];
}

/** Python runs unbuffered: what it printed before its time was up must not be lost in its buffers. */
export const languageRules: Record<Language, LanguageRule> = {
  python: { image: 'tvm/python', path: '/tmp/main.py', interpreter: ['python3', '-u'] },
  node: { image: 'tvm/node', path: '/tmp/main.js', interpreter: ['node'] },
  bash: { image: 'tvm/python', path: '/tmp/main.sh', interpreter: ['bash'] },
};
