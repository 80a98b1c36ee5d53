// How source text of each language becomes a process, and which interpreter waits for it.
import type { Language } from '@tvm/api/rest/execute.ts';

interface LanguageRule {
  image: string;
  /** Where the source goes in the machine. */
  path: string;
  /** The program and its flags; the path and the arguments follow. */
  program: string[];
  /** The waiting interpreter that can run it in the place of a new process; none: "". */
  interpreter: string;
}

/** Python runs unbuffered: what it printed before its time was up must not be lost in its buffers. */
export const languageRules: Record<Language, LanguageRule> = {
  python: { image: 'tvm/python', path: '/tmp/main.py', program: ['python3', '-u'], interpreter: 'python' },
  node: { image: 'tvm/node', path: '/tmp/main.js', program: ['node'], interpreter: 'node' },
  bash: { image: 'tvm/python', path: '/tmp/main.sh', program: ['bash'], interpreter: '' },
};

/** The interpreter that machines of an image have waiting when nothing else is asked for. */
export function interpreterOfImage(image: string): string {
  const rule = Object.values(languageRules).find((each) => each.image === image);
  return rule?.interpreter ?? '';
}

/** What should wait in a machine for such code: its language's own, or else what the pool of the image has anyway. */
export function interpreterFor(language: Language, image: string): string {
  return languageRules[language].interpreter || interpreterOfImage(image);
}
