// What a machine gets from Secrets when it starts: its environment, and credentials for the registry of its image.
// Invariant: what is read here is in no plan, status, event or log.
import { TvmError } from '@tvm/api/errors.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import { type KubeClient, secrets } from '@tvm/kit/kube/client.ts';
import type { ReadCredentials } from '../engine/maker.ts';
import type { PullSecrets } from '../engine/shape.ts';

export interface SecretInputs {
  env: Record<string, string>;
  /** Texts of docker's config.json. */
  registryCredentials: string[];
}

export const noInputs: SecretInputs = { env: {}, registryCredentials: [] };

const pullSecretType = 'kubernetes.io/dockerconfigjson';
const pullSecretKey = '.dockerconfigjson';

/** `missing`: the names of Secrets that have to be there, or changed, first. */
export async function readSecretInputs(
  client: KubeClient,
  { metadata, spec }: MicroVm,
): Promise<SecretInputs & { missing: string[] }> {
  const env: Record<string, string> = {};
  const missing: string[] = [];
  const namespace = metadata.namespace ?? '';
  for (const { secretRef } of spec.envFrom ?? []) {
    const { secret, why } = await readSecret(client, namespace, secretRef.name);
    for (const [key, value] of Object.entries(secret?.data ?? {})) env[key] = textOf(value);
    if (!secret && (why !== '' || !secretRef.optional)) missing.push(`${secretRef.name}${why}`);
  }
  const pull = await readPullSecrets(client, {
    namespace,
    names: (spec.imagePullSecrets ?? []).map(({ name }) => name),
  });
  return { env, registryCredentials: pull.credentials, missing: [...missing, ...pull.missing] };
}

/** `missing`: as above. */
async function readPullSecrets(client: KubeClient, { namespace, names }: PullSecrets) {
  const credentials: string[] = [];
  const missing: string[] = [];
  for (const name of names) {
    const { secret, why } = await readSecret(client, namespace, name);
    const text = secret?.type === pullSecretType ? secret.data?.[pullSecretKey] : undefined;
    if (text !== undefined) credentials.push(textOf(text));
    else missing.push(`${name}${secret ? ` (it is not of type ${pullSecretType})` : why}`);
  }
  return { credentials, missing };
}

/** For machines that no object stands behind. */
export function readCredentialsBy(client: KubeClient): ReadCredentials {
  return async (pullSecrets) => {
    const { credentials, missing } = await readPullSecrets(client, pullSecrets);
    if (missing.length === 0) return credentials;
    const names = missing.join(', ');
    throw new TvmError(
      'failed_precondition',
      `no credentials for the image: there is no Secret ${names} in ${pullSecrets.namespace}`,
      {
        reason: 'SecretNotFound',
        hint: 'Make it: kubectl create secret docker-registry NAME --docker-server=… --docker-username=… --docker-password=…',
      },
    );
  };
}

/** `why`: other than that there is none. */
async function readSecret(client: KubeClient, namespace: string, name: string) {
  try {
    return { secret: await client.get(secrets, namespace, name), why: '' };
  } catch (error) {
    const code = error instanceof TvmError ? error.code : 'internal';
    if (code !== 'not_found' && code !== 'permission_denied') throw error;
    return { secret: undefined, why: code === 'permission_denied' ? ' (lime-ctrl may not read it)' : '' };
  }
}

function textOf(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}
