// REST of ports inside machines.
//
//   ANY  /v1/microvms/{name}/ports/{port}/{path}   the answer of the HTTP server that listens there, WebSockets too;
//                                                  header Tvm-Namespace (default: "default"): the query is the server's own
//   GET  /v1/microvms/{name}/tunnels/{port}        a WebSocket with the bytes of a TCP connection (tunnel.ts)
//   POST /v1/microvms/{name}/port-urls             portUrlRequest -> portUrlView (201): a URL that needs no token
//   ANY  /ports/{sealed}/{path}                    what such a URL is for, until it expires
import { z } from 'zod';
import { objectName } from './microvms.ts';

export const portNumber = z.int().min(1).max(65_535);

/** In seconds. */
export const longestPortUrlSeconds = 3_600;

export const portUrlRequest = z.strictObject({
  namespace: objectName.optional(),
  port: portNumber.meta({ description: 'What listens there on 127.0.0.1, ::1 or all addresses.' }),
  ttlSeconds: z
    .int()
    .min(10)
    .max(longestPortUrlSeconds)
    .optional()
    .meta({ description: 'Life of the URL. Default: 900.' }),
});
export type PortUrlRequest = z.input<typeof portUrlRequest>;

export const portUrlView = z.object({
  url: z.string().meta({ description: 'Whoever has it can use it: it is a secret. It ends with a slash.' }),
  expiresAt: z.string().meta({ description: 'It is over earlier when the machine ends or starts anew.' }),
});
export type PortUrlView = z.infer<typeof portUrlView>;

/** Names the namespace where the query is the guest's. */
export const namespaceHeader = 'tvm-namespace';
