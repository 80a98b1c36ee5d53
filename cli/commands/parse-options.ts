// Values of options as people write them: seconds, megabytes, counts, variables. Throws usage errors (exit code 2).
import type { Environment } from '../config.ts';
import { usageError } from '../exit-codes.ts';

const secondsOf: Record<string, number> = { '': 1, s: 1, m: 60, h: 3600 };
const megabytesOf: Record<string, number> = { '': 1, m: 1, mb: 1, mi: 1, g: 1024, gb: 1024, gi: 1024 };

/** "90", "90s", "1.5m", "2h" in seconds. */
export function parseSeconds(text: string): number {
  return parseQuantity(text, secondsOf, 'a time', 'Write seconds, or 90s, 5m, 2h.');
}

/** "512", "512M", "2G" in MB. */
export function parseMegabytes(text: string): number {
  const value = parseQuantity(text, megabytesOf, 'an amount of memory', 'Write MB, or 512M, 2G.');
  if (Number.isInteger(value)) return value;
  throw usageError(`"${text}" is no whole number of MB`, 'Write MB, or 512M, 2G.');
}

/** `what` is counted: "cpus". */
export function parseCount(text: string, what: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw usageError(`"${text}" is not a number of ${what}`, 'Write a positive whole number such as 2.');
}

function parseQuantity(text: string, units: Record<string, number>, what: string, hint: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,6})?)([a-z]*)$/i.exec(text.trim());
  const unit = units[match?.[2]?.toLowerCase() ?? ' '];
  const value = Number(match?.[1]) * (unit ?? Number.NaN);
  if (Number.isFinite(value) && value > 0) return value;
  throw usageError(`"${text}" is not ${what}`, hint);
}

/** `K=V`, or `K` alone: taken from this environment. */
export function parseVariables(pairs: string[], environment: Environment): Record<string, string> {
  return Object.fromEntries(pairs.map((pair) => parseVariable(pair, environment)));
}

function parseVariable(pair: string, environment: Environment): [string, string] {
  const at = pair.indexOf('=');
  const name = at < 0 ? pair : pair.slice(0, at);
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    throw usageError(
      `"${pair}" sets no environment variable`,
      'Write --env NAME=VALUE, or --env NAME to hand on yours.',
    );
  }
  const value = at < 0 ? environment[name] : pair.slice(at + 1);
  if (value === undefined) throw usageError(`${name} is not set here`, `Write --env ${name}=VALUE.`);
  return [name, value];
}

/** For options that may be given again and again. */
export function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}
