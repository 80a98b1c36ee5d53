// The embedded API server as a process: opens its state, serves until a signal.
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@tvm/kit/clock.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { aborted, notifyReady, runMain } from '@tvm/kit/run-main.ts';
import { ensureAdminToken } from './auth/admin-token.ts';
import { kubeconfigText } from './auth/kubeconfig.ts';
import { makeAuthenticator } from './auth/tokens.ts';
import { ensureCertificates } from './certificates/certificates.ts';
import { writePrivateFile } from './certificates/private-file.ts';
import { keepCertificatesFresh } from './certificates/renewal.ts';
import { ensureNamespaces } from './collector/bootstrap.ts';
import { startCollector } from './collector/collector.ts';
import { startEventExpiry } from './collector/event-expiry.ts';
import { readConfig } from './config.ts';
import { Discovery } from './discovery/discovery.ts';
import { handle } from './http/handler.ts';
import { reviews } from './http/reviews.ts';
import { startServer } from './http/server.ts';
import { OpenApi } from './openapi/documents.ts';
import { makeRegistry } from './resources/registry.ts';
import { openDatabase } from './store/database.ts';
import { Store } from './store/store.ts';

const config = readConfig();
const log = makeLogger('apiserver', config.logLevel);

await runMain(log, async (signal) => {
  const { folder, host } = config;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  const hosts = [...new Set([host, 'localhost', '127.0.0.1', '::1'])];
  const certificates = await ensureCertificates(folder, hosts, systemClock.now());
  const token = ensureAdminToken(folder);

  using store = new Store(openDatabase(join(folder, 'state.db')));
  const registry = makeRegistry();
  const services = { store, registry, clock: systemClock };
  ensureNamespaces(services);
  using _collector = startCollector(services, log);
  using _expiry = startEventExpiry(services, log);

  const handler = {
    services,
    discovery: new Discovery(registry, reviews),
    openApi: new OpenApi(registry),
    authenticator: makeAuthenticator(new Map([[token, 'admin']])),
    log,
    isReady: () => !signal.aborted,
  };
  const { certificate, key } = certificates;
  await using server = await startServer({
    host,
    port: config.port,
    certificate,
    key,
    handle: (exchange) => handle(handler, exchange),
  });
  const url = `https://${host.includes(':') ? `[${host}]` : host}:${server.port}`;
  const kubeconfig = join(folder, 'kubeconfig');
  const publish = (ca: string) => writePrivateFile(kubeconfig, kubeconfigText({ url, ca, token }));
  publish(certificates.ca);
  using _renewal = keepCertificatesFresh({ folder, hosts, server, publish, log, clock: systemClock });
  log.info({ url, kubeconfig }, 'serving');
  notifyReady({ url, kubeconfig });
  await aborted(signal);
});
