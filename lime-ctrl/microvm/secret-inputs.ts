// What a machine gets from Secrets when it starts: its environment, and credentials for the registry of its image.
// Invariant: what is read here is in no plan, status, event or log.
import { TvmError } from '@tvm/api/errors.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import { type KubeClient, secrets } from '@tvm/kit/kube/client.ts';

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
  const registryCredentials: string[] = [];
  const missing: string[] = [];
  const read = (name: string) => readSecret(client, metadata.namespace ?? '', name);
  for (const { secretRef } of spec.envFrom ?? []) {
    const { secret, why } = await read(secretRef.name);
    for (const [key, value] of Object.entries(secret?.data ?? {})) env[key] = textOf(value);
    if (!secret && (why !== '' || !secretRef.optional)) missing.push(`${secretRef.name}${why}`);
  }
  for (const { name } of spec.imagePullSecrets ?? []) {
    const { secret, why } = await read(name);
    const text = secret?.type === pullSecretType ? secret.data?.[pullSecretKey] : undefined;
    if (text !== undefined) registryCredentials.push(textOf(text));
    else missing.push(`${name}${secret ? ` (it is not of type ${pullSecretType})` : why}`);
  }
  return { env, registryCredentials, missing };
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
