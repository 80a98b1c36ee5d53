// What --limit of vvm create means. Throws usage errors (exit code 2).
import { type MachineLimits, machineLimits } from '@tvm/api/kinds/microvm.ts';
import { usageError } from '../exit-codes.ts';

const known = Object.keys(machineLimits.shape);

/** For example "cpuPercent=50", as often as there are limits; how large each may be is for the API to say. */
export function parseLimits(pairs: string[]): MachineLimits {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [name = '', value = '', ...rest] = pair.split('=');
      if (!known.includes(name)) throw usageError(`"${name}" is no limit`, `Known: ${known.join(', ')}.`);
      if (rest.length > 0 || !/^\d{1,15}$/.test(value)) {
        throw usageError(`--limit ${pair}: not a whole number`, `Write --limit ${name}=NUMBER.`);
      }
      return [name, Number(value)];
    }),
  );
}
