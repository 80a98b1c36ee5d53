// The kubeconfig of the administrator, as kubectl reads it.
import { stringify } from 'yaml';

export interface KubeconfigOptions {
  /** https://HOST:PORT */
  url: string;
  /** PEM of the authority. */
  ca: string;
  token: string;
}

export function kubeconfigText({ url, ca, token }: KubeconfigOptions): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: 'tvm', cluster: { server: url, 'certificate-authority-data': Buffer.from(ca).toString('base64') } },
    ],
    users: [{ name: 'tvm-admin', user: { token } }],
    contexts: [{ name: 'tvm', context: { cluster: 'tvm', user: 'tvm-admin', namespace: 'default' } }],
    'current-context': 'tvm',
  });
}
