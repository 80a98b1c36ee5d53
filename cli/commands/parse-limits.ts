// What --limit and --pull-secret mean. Throws usage errors (exit code 2).
import { type MachineLimits, machineLimits } from '@tvm/api/kinds/microvm.ts';
import { usageError } from '../exit-codes.ts';

const known = Object.keys(machineLimits.shape);

export const limitHelp = `${known.slice(0, -1).join(', ')} or ${known.at(-1)}; may be repeated`;
export const pullSecretHelp = 'Secret with credentials for the registry; may be repeated';

export interface LimitOptions {
  limit?: string[];
  pullSecret?: string[];
}

/** Both, as specs have them. */
export function limitsAndSecrets({ limit, pullSecret }: LimitOptions) {
  return {
    ...(limit && { limits: parseLimits(limit) }),
    ...(pullSecret && { imagePullSecrets: pullSecret.map((name) => ({ name })) }),
  };
}

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
