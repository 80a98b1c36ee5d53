// Writes and reads the one shape of kubeconfig that the tests use: one cluster, its CA, one bearer token.
import { readFile } from 'node:fs/promises';
import { parse, stringify } from 'yaml';

export interface Access {
  url: string;
  token: string;
  /** PEM of the certificates to trust. */
  ca: string;
}

export function kubeconfigText({ url, token, ca }: Access): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: 'test', cluster: { server: url, 'certificate-authority-data': Buffer.from(ca).toString('base64') } },
    ],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
    'current-context': 'test',
  });
}

interface Kubeconfig {
  clusters: { cluster: { server: string; 'certificate-authority-data': string } }[];
  users: { user: { token: string } }[];
}

/** Throws when the file has another shape. */
export async function readKubeconfig(path: string): Promise<Access> {
  const { clusters, users } = parse(await readFile(path, 'utf8')) as Kubeconfig;
  const [cluster, user] = [clusters[0]?.cluster, users[0]?.user];
  if (!cluster || !user) throw new Error(`${path}: no cluster or no user`);
  const ca = Buffer.from(cluster['certificate-authority-data'], 'base64').toString('utf8');
  return { url: cluster.server, token: user.token, ca };
}
