// What JSON.parse lets pass: keys that come twice in one object, and depth without end.
import { badRequest } from '../status/status-error.ts';

/** Deeper values would exhaust the stack of those who walk them. */
export const maximumDepth = 1000;

/** Throws StatusError 400 for a value nested too deep. */
export function checkDepth(value: unknown, left = maximumDepth): void {
  if (left < 0) throw badRequest('error decoding the body: exceeded max depth');
  if (typeof value === 'object' && value !== null) for (const one of Object.values(value)) checkDepth(one, left - 1);
}

interface Level {
  path: string;
  /** Undefined in an array. */
  keys: Set<string> | undefined;
  /** The key or index of the value that comes. */
  next: string;
  index: number;
  isKey: boolean;
}

/** The paths (`spec.cpu`) of fields that come twice. `text` must be valid JSON. */
export function duplicateKeys(text: string): string[] {
  const levels: Level[] = [];
  const found = new Set<string>();
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{},:]/gs)) {
    const level = levels.at(-1);
    if (token === '{' || token === '[') levels.push(makeLevel(level, token === '{'));
    else if (token === '}' || token === ']') levels.pop();
    else if (level && token === ',') advance(level);
    else if (level?.keys && level.isKey && token !== ':') readKey(level, JSON.parse(token), found);
  }
  return [...found];
}

function makeLevel(parent: Level | undefined, isObject: boolean): Level {
  const path = parent ? pathOf(parent) : '';
  return { path, keys: isObject ? new Set() : undefined, next: '', index: 0, isKey: isObject };
}

function pathOf({ path, keys, next, index }: Level): string {
  if (!keys) return `${path}[${index}]`;
  return path === '' ? next : `${path}.${next}`;
}

function advance(level: Level): void {
  level.index += 1;
  level.isKey = level.keys !== undefined;
}

function readKey(level: Level, key: string, found: Set<string>): void {
  level.next = key;
  level.isKey = false;
  if (level.keys?.has(key)) found.add(pathOf(level));
  level.keys?.add(key);
}
