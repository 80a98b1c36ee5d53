// TLS of the RPC server. Invariants: a caller without a certificate of the authority, or with another name than the
// control plane's, is never answered; certificates that are renewed are used for the next connection.
import { constants } from 'node:crypto';
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { followTlsFolder, readTlsFolder, type TlsMaterial } from '@tvm/kit/certificates/folder.ts';
import { systemClock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';

/** The one who may call. */
const callerName = 'lime-ctrl';

/** Serves with the certificates of the folder. Throws failed_precondition when they cannot be used. */
export function makeTlsServer(folder: string, log: Logger): Http2SecureServer & AsyncDisposable {
  const material = readTlsFolder(folder);
  const server = createSecureServer({ ...contextOf(material), requestCert: true, rejectUnauthorized: true });
  const stop = new AbortController();
  const renew = (next: TlsMaterial) => server.setSecureContext(contextOf(next));
  const following = followTlsFolder({ folder, clock: systemClock, log }, material, renew, stop.signal);
  server.on('tlsClientError', (error) => log.debug({ why: error.message }, 'no caller'));
  return Object.assign(server, {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await following;
    },
  });
}

/** Tickets are off: each connection shows its certificate anew. */
function contextOf({ certificate, key, authorities }: TlsMaterial) {
  return {
    cert: certificate,
    key,
    ca: authorities,
    minVersion: 'TLSv1.3' as const,
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/** Whether the certificate of the other side, which its authority vouches for, is the caller's. */
export function isCaller(session: ServerHttp2Session): boolean {
  const socket = session.socket as TLSSocket;
  const name = socket.getPeerCertificate().subject?.CN;
  return socket.authorized && name === callerName;
}
