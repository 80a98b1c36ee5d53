// The Secrets that hold authority and certificates: read and written, one action at a time. Invariant: a write names the
// version that it was planned from, so that of two replicas that both believe to lead one is refused.
import { TvmError } from '@tvm/api/errors.ts';
import type { TlsMaterial } from '@tvm/kit/certificates/folder.ts';
import type { KeyPair } from '@tvm/kit/certificates/inspect.ts';
import { type KubeClient, type Secret, secrets } from '@tvm/kit/kube/client.ts';
import type { Action, Holding, Observed, Side } from './plan.ts';

const dayMs = 86_400_000;
const authorityLifeMs = 1825 * dayMs;
const certificateLifeMs = 90 * dayMs;
const trustedSince = 'vvm.tvm.github.com/trusted-since';
const labels = { 'app.kubernetes.io/part-of': 'tvm', 'app.kubernetes.io/managed-by': 'lime-ctrl' };

export interface Names {
  /** Where authority and client certificate are: lime-ctrl's own namespace. */
  namespace: string;
  /** Where the flintlocks are, and the name of their Service. */
  nodeNamespace: string;
  service: string;
}

export interface Secrets {
  authority: Secret | undefined;
  client: Secret | undefined;
  server: Secret | undefined;
}

/** The name that the certificate of every flintlock is for. */
export const serverNameOf = ({ service, nodeNamespace }: Names) => `${service}.${nodeNamespace}.svc`;

const places = ({ namespace, nodeNamespace, service }: Names) => ({
  authority: { namespace, name: 'tvm-ca' },
  client: { namespace, name: 'lime-ctrl-tls' },
  server: { namespace: nodeNamespace, name: `${service}-tls` },
});

export async function readSecrets(client: KubeClient, names: Names): Promise<Secrets> {
  const at = places(names);
  const read = (place: { namespace: string; name: string }) => readSecret(client, place);
  return { authority: await read(at.authority), client: await read(at.client), server: await read(at.server) };
}

/** Undefined: there is none. */
export async function readClientSecret(client: KubeClient, namespace: string): Promise<TlsMaterial | undefined> {
  const secret = await readSecret(client, { namespace, name: 'lime-ctrl-tls' });
  return secret && holdingOf(secret);
}

export function observedIn({ authority, client, server }: Secrets, names: Names, nowMs: number): Observed {
  const serverName = serverNameOf(names);
  return {
    authority: authority && holdingOf(authority),
    client: client && holdingOf(client),
    server: server && holdingOf(server),
    hosts: [serverName, `${serverName}.cluster.local`],
    nowMs,
  };
}

/** Does the action. Throws aborted or already_exists when another replica was faster. */
export async function executeAction(
  client: KubeClient,
  names: Names,
  action: Action,
  found: Secrets,
  observed: Observed,
): Promise<void> {
  const at = places(names);
  const { nowMs } = observed;
  if (action.type === 'makeAuthority') {
    const { makeAuthority } = await issuing();
    const pair = await makeAuthority('tvm-ca', nowMs, authorityLifeMs);
    const all = [pair.certificate, ...action.trusted].join('');
    return await write(client, at.authority, found.authority, { ...pair, authorities: all });
  }
  const { side } = action;
  const { authority, [side]: held } = observed;
  if (!authority) throw new TvmError('internal', `${action.type} without an authority`);
  const pair = action.type === 'trust' && held ? held : await issue(authority, side, observed);
  const told = held?.authorities === authority.authorities && !Number.isNaN(held.trustedSinceMs);
  const trustedSinceMs = told ? held.trustedSinceMs : nowMs;
  await write(client, at[side], found[side], { ...pair, authorities: authority.authorities, trustedSinceMs });
}

async function issue(authority: KeyPair, side: Side, { hosts, nowMs }: Observed): Promise<KeyPair> {
  const { issueCertificate } = await issuing();
  const whose = side === 'client' ? { commonName: 'lime-ctrl', hosts: [] } : { commonName: 'flintlock', hosts };
  return await issueCertificate({ authority, ...whose, use: side, nowMs, lifeMs: certificateLifeMs });
}

/** Loaded when something is to be made, which is seldom. */
const issuing = () => import('@tvm/kit/certificates/issue.ts');

async function readSecret(client: KubeClient, { namespace, name }: { namespace: string; name: string }) {
  try {
    return await client.get(secrets, namespace, name);
  } catch (error) {
    if (error instanceof TvmError && error.code === 'not_found') return undefined;
    throw error;
  }
}

function holdingOf({ data = {}, metadata }: Secret): Holding {
  const text = (name: string) => Buffer.from(data[name] ?? '', 'base64').toString('utf8');
  return {
    certificate: text('tls.crt'),
    key: text('tls.key'),
    authorities: text('ca.crt'),
    trustedSinceMs: Date.parse(metadata.annotations?.[trustedSince] ?? ''),
  };
}

async function write(
  client: KubeClient,
  place: { namespace: string; name: string },
  found: Secret | undefined,
  { certificate, key, authorities, trustedSinceMs }: KeyPair & { authorities: string; trustedSinceMs?: number },
): Promise<void> {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const data = { 'tls.crt': base64(certificate), 'tls.key': base64(key), 'ca.crt': base64(authorities) };
  const since = trustedSinceMs === undefined ? {} : { [trustedSince]: new Date(trustedSinceMs).toISOString() };
  if (found) {
    const annotations = { ...found.metadata.annotations, ...since };
    await client.update(secrets, { ...found, metadata: { ...found.metadata, annotations }, data });
    return;
  }
  const metadata = { ...place, labels, annotations: since };
  await client.create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata, type: 'kubernetes.io/tls', data });
}
