// Renews the certificates of a running server before they end, and tells clients of a new authority.
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { ApiServer } from '../http/server.ts';
import { ensureCertificates } from './certificates.ts';

export interface RenewalDeps {
  folder: string;
  hosts: readonly string[];
  server: Pick<ApiServer, 'renew'>;
  /** Writes what clients trust. */
  publish: (ca: string) => void;
  log: Logger;
  clock: Clock;
}

const checkIntervalMs = 6 * 3_600_000;

export function keepCertificatesFresh(deps: RenewalDeps): Disposable {
  let renewAtMs = 0;
  const check = async () => {
    const now = deps.clock.now();
    if (now < renewAtMs) return;
    const files = await ensureCertificates(deps.folder, deps.hosts, now);
    if (renewAtMs !== 0) {
      deps.server.renew(files.certificate, files.key);
      deps.publish(files.ca);
      deps.log.info('certificates renewed');
    }
    renewAtMs = files.renewAtMs;
  };
  const run = () => check().catch((error) => deps.log.error({ err: error }, 'certificates not renewed'));
  void run();
  const timer = setInterval(run, checkIntervalMs);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
