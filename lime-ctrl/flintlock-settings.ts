// What the settings say of flintlocks, read from their texts: a list of them, or where to find them, and how many to have.
import { TvmError } from '@tvm/api/errors.ts';

export type FlintlockSource =
  /** Name to address (unix:/PATH or HOST:PORT). */
  | { type: 'list'; addresses: Map<string, string> }
  /** The pods of a Service. */
  | { type: 'endpoints'; namespace: string; service: string };

/** A Deployment of flintlocks, and between how many replicas it may be scaled. */
export interface ScaleSetting {
  namespace: string;
  deployment: string;
  min: number;
  max: number;
}

const dnsName = '[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?';

/** "NAME=unix:/PATH,NAME=HOST:PORT" or "endpoints:NAMESPACE/SERVICE". Throws invalid_argument. */
export function parseFlintlocks(text: string): FlintlockSource {
  if (text.startsWith('endpoints:')) {
    const [, namespace, service] = new RegExp(`^endpoints:(${dnsName})/(${dnsName})$`).exec(text) ?? [];
    if (namespace !== undefined && service !== undefined) return { type: 'endpoints', namespace, service };
    throw new TvmError('invalid_argument', `TVM_FLINTLOCKS: "${text}" is not endpoints:NAMESPACE/SERVICE`);
  }
  const entries = text.split(',').map((each) => each.trim());
  return { type: 'list', addresses: new Map(entries.filter((each) => each !== '').map(parseEntry)) };
}

function parseEntry(entry: string): [string, string] {
  const [, name, address] = /^([\w.-]+)=(unix:\/.+|[^\s]+:\d+)$/.exec(entry) ?? [];
  if (name !== undefined && address !== undefined) return [name, address];
  throw new TvmError('invalid_argument', `TVM_FLINTLOCKS: "${entry}" is not NAME=unix:/PATH or NAME=HOST:PORT`);
}

/** "NAMESPACE/DEPLOYMENT:MIN-MAX". Throws invalid_argument. */
export function parseScale(text: string): ScaleSetting {
  const [, namespace, deployment, min, max] =
    new RegExp(`^(${dnsName})/(${dnsName}):(\\d{1,4})-(\\d{1,4})$`).exec(text) ?? [];
  const setting = { namespace: namespace ?? '', deployment: deployment ?? '', min: Number(min), max: Number(max) };
  if (namespace !== undefined && setting.max >= Math.max(1, setting.min)) return setting;
  throw new TvmError('invalid_argument', `TVM_FLINTLOCK_SCALE: "${text}" is not NAMESPACE/DEPLOYMENT:MIN-MAX`);
}
