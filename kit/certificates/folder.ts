// Certificates that a folder holds, as Kubernetes mounts a Secret: tls.crt, tls.key, ca.crt. They change under a running
// process. Invariant: what is taken from it is whole, the key being the one of the certificate.
import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { certificatesIn, isWhole, type KeyPair } from './inspect.ts';

/** A certificate, its key, and the authorities that its owner trusts, all in PEM. */
export interface TlsMaterial extends KeyPair {
  authorities: string;
}

/** Notices of changes may be missing. */
const lookEveryMs = 10_000;
/** The files change one after the other. */
const settleMs = 50;

/** Throws TvmError failed_precondition that names what is wrong. */
export function readTlsFolder(folder: string): TlsMaterial {
  const [certificate, key, authorities] = ['tls.crt', 'tls.key', 'ca.crt'].map((name) => readFile(folder, name));
  const material = { certificate, key, authorities } as TlsMaterial;
  if (!isWhole(material)) throw unusable(folder, 'tls.key is not the key of tls.crt');
  if (certificatesIn(material.authorities).length === 0) throw unusable(folder, 'ca.crt holds no certificate');
  return material;
}

/** Calls `onChange` with what is new, until the signal aborts. What cannot be used is logged once, and the old one stays. */
export async function followTlsFolder(
  { folder, clock, log }: { folder: string; clock: Clock; log: Logger },
  current: TlsMaterial,
  onChange: (material: TlsMaterial) => void,
  signal: AbortSignal,
): Promise<void> {
  let known = JSON.stringify(current);
  let complaint = '';
  let changed = new AbortController();
  const watcher = watchFolder(folder, () => changed.abort('changed'));
  signal.addEventListener('abort', () => watcher?.close(), { once: true });
  while (!signal.aborted) {
    await clock.sleep(lookEveryMs, AbortSignal.any([signal, changed.signal]));
    if (changed.signal.aborted) await clock.sleep(settleMs, signal);
    if (signal.aborted) return;
    changed = new AbortController();
    try {
      const material = readTlsFolder(folder);
      complaint = '';
      if (JSON.stringify(material) === known) continue;
      onChange(material);
      known = JSON.stringify(material);
      log.info({ folder }, 'new certificates are used');
    } catch (thrown) {
      const { message } = TvmError.from(thrown);
      if (message !== complaint) log.warn({ why: message }, 'the certificates stay as they were');
      complaint = message;
    }
  }
}

/** Undefined where the system has no more watches to give: the files are looked at from time to time all the same. */
function watchFolder(folder: string, onChange: () => void): FSWatcher | undefined {
  try {
    return watch(folder, { persistent: false }, onChange).on('error', () => undefined);
  } catch {
    return undefined;
  }
}

function readFile(folder: string, name: string): string {
  try {
    return readFileSync(join(folder, name), 'utf8');
  } catch (cause) {
    throw unusable(folder, `${name} cannot be read`, cause);
  }
}

function unusable(folder: string, why: string, cause?: unknown): TvmError {
  return new TvmError('failed_precondition', `the certificates in ${folder} cannot be used: ${why}`, {
    cause,
    hint: 'TVM_TLS_DIR is a folder with tls.crt, tls.key and ca.crt in PEM.',
  });
}
