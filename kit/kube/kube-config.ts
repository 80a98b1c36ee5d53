// Where the API server is and how to prove who asks: a kubeconfig file, or the service account of a pod.
// Own code because @kubernetes/client-node costs 90 MB of memory and 0.6 s to import. Invariant: credentials that are
// files are read anew for each connection, since they rotate.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import { parse } from 'yaml';
import { z } from 'zod';

const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

export interface KubeConfig {
  server: URL;
  /** PEM; none: the system's authorities. */
  ca: Buffer | undefined;
  rejectUnauthorized: boolean;
  /** Client certificate, when that is the proof. */
  clientCertificate: { cert: Buffer; key: Buffer } | undefined;
  /** The bearer token now; undefined when another proof is used. */
  token(): string | undefined;
}

const fileSchema = z.looseObject({
  'current-context': z.string(),
  contexts: z.array(
    z.looseObject({ name: z.string(), context: z.looseObject({ cluster: z.string(), user: z.string() }) }),
  ),
  clusters: z.array(
    z.looseObject({
      name: z.string(),
      cluster: z.looseObject({
        server: z.url(),
        'certificate-authority': z.string().optional(),
        'certificate-authority-data': z.string().optional(),
        'insecure-skip-tls-verify': z.boolean().optional(),
      }),
    }),
  ),
  users: z.array(
    z.looseObject({
      name: z.string(),
      user: z.looseObject({
        token: z.string().optional(),
        tokenFile: z.string().optional(),
        'client-certificate': z.string().optional(),
        'client-certificate-data': z.string().optional(),
        'client-key': z.string().optional(),
        'client-key-data': z.string().optional(),
        exec: z.unknown().optional(),
      }),
    }),
  ),
});

/** Reads a kubeconfig file. Throws TvmError invalid_argument for one that cannot be used. */
export function loadKubeConfig(path: string): KubeConfig {
  const folder = dirname(path);
  const file = readConfigFile(path);
  const context = file.contexts.find((each) => each.name === file['current-context'])?.context;
  const cluster = file.clusters.find((each) => each.name === context?.cluster)?.cluster;
  const user = file.users.find((each) => each.name === context?.user)?.user;
  if (!cluster || !user)
    throw unusable(path, `its current context "${file['current-context']}" names no cluster and user`);
  if (user.exec !== undefined)
    throw unusable(path, 'its user takes credentials from a program, which is not supported');
  const cert = bytesOf(user['client-certificate-data'], user['client-certificate'], folder);
  const key = bytesOf(user['client-key-data'], user['client-key'], folder);
  const { token, tokenFile } = user;
  return {
    server: new URL(cluster.server),
    ca: bytesOf(cluster['certificate-authority-data'], cluster['certificate-authority'], folder),
    rejectUnauthorized: !cluster['insecure-skip-tls-verify'],
    clientCertificate: cert && key ? { cert, key } : undefined,
    token: () => (tokenFile ? readFileSync(resolve(folder, tokenFile), 'utf8').trim() : token),
  };
}

/** The service account of the pod that this process runs in. */
export function inClusterConfig(host: string, port: string): KubeConfig {
  return {
    server: new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`),
    ca: readFileSync(`${serviceAccountFolder}/ca.crt`),
    rejectUnauthorized: true,
    clientCertificate: undefined,
    token: () => readFileSync(`${serviceAccountFolder}/token`, 'utf8').trim(),
  };
}

function readConfigFile(path: string): z.infer<typeof fileSchema> {
  let content: unknown;
  try {
    content = parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw unusable(path, 'it cannot be read', error);
  }
  const parsed = fileSchema.safeParse(content);
  if (!parsed.success) throw unusable(path, z.prettifyError(parsed.error), parsed.error);
  return parsed.data;
}

function bytesOf(data: string | undefined, file: string | undefined, folder: string): Buffer | undefined {
  if (data !== undefined) return Buffer.from(data, 'base64');
  return file === undefined ? undefined : readFileSync(resolve(folder, file));
}

function unusable(path: string, why: string, cause?: unknown): TvmError {
  return new TvmError('invalid_argument', `kubeconfig ${path}: ${why}`, {
    cause,
    hint: 'Set KUBECONFIG to a kubeconfig with a server, its authority, and a token or client certificate.',
  });
}
