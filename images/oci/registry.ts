// Reads manifests and fetches images. Invariant: what is fetched was asked for by digest, and its declared size is within the
// limits before the first layer is asked for.
import { createHash } from 'node:crypto';
import { TvmError } from '@tvm/api/errors.ts';
import type { Progress } from '../contract.ts';
import type { OciReference } from '../reference.ts';
import type { Credential } from './credentials.ts';
import type { OciLimits } from './limits.ts';
import { type Manifest, parseManifest } from './manifest.ts';
import type { Skopeo } from './skopeo.ts';

const fileSlackBytes = 1 << 20;
/** A configuration is read into memory. */
const maxConfigBytes = 4 << 20;

export interface ResolvedImage {
  /** Of the manifest for linux/amd64. */
  digest: string;
  manifest: Manifest;
  /** That the registry accepted; undefined: none was given. */
  credential: Credential | undefined;
}

/** One who pulls: how, and with what. */
export interface Puller {
  skopeo: Skopeo;
  limits: OciLimits;
  /** Tried in turn; none: as this host is logged in. */
  credentials: Credential[];
  signal: AbortSignal;
}

/** Asks the registry what the reference is now. */
export async function resolveImage(reference: OciReference, puller: Puller): Promise<ResolvedImage> {
  const { raw: first, credential } = await inspectWithAny(reference, reference.normalised, puller);
  checkDigest(reference, first);
  let raw = first;
  let parsed = parseManifest(raw);
  if (parsed.kind === 'index') {
    if (!parsed.entry) throw pullRefused(reference, 'not_found', 'it has no variant for linux/amd64');
    raw = await inspectRaw(reference, byDigest(reference, parsed.entry.digest), puller, credential);
    if (digestOf(raw) !== parsed.entry.digest) throw wrongDigest(reference);
    parsed = parseManifest(raw);
  }
  if (parsed.kind === 'index') throw pullRefused(reference, 'data_loss', 'its index points to another index');
  checkDeclaredSize(reference, parsed.manifest, puller.limits);
  return { digest: digestOf(raw), manifest: parsed.manifest, credential };
}

/** Throws what the registry says unless one of the credentials opens the image with that digest. */
export async function checkAccess(reference: OciReference, digest: string, puller: Puller): Promise<void> {
  await inspectWithAny(reference, byDigest(reference, digest), puller);
}

/** Copies the image into `layoutDir`, an OCI layout with the one image `image`. skopeo checks every blob's digest. */
export async function fetchImage(
  reference: OciReference,
  image: ResolvedImage,
  layoutDir: string,
  { skopeo, limits, signal }: Puller,
  onProgress: Progress,
): Promise<void> {
  const { layers, config } = image.manifest;
  const largest = Math.max(config.size, ...layers.map(({ size }) => size));
  let begun = 0;
  onProgress(`pulling ${megabytes(declaredBytes(image.manifest))}`);
  await skopeo(reference, {
    command: 'copy',
    args: [`docker://${byDigest(reference, image.digest)}`, `oci:${layoutDir}:image`],
    maxFileBytes: largest + fileSlackBytes,
    timeoutMs: limits.pullTimeoutMs,
    credential: image.credential,
    signal,
    onLine: (line) => {
      if (!/^Copying blob/.test(line)) return;
      begun = Math.min(begun + 1, layers.length);
      onProgress(`pulling layer ${begun} of ${layers.length}`);
    },
  });
}

/** Compressed, over all blobs. */
export function declaredBytes({ layers, config }: Manifest): number {
  return layers.reduce((sum, { size }) => sum + size, config.size);
}

/** The first credential that the registry does not turn away. */
async function inspectWithAny(reference: OciReference, name: string, puller: Puller) {
  const [first, ...others] = puller.credentials;
  let credential = first;
  for (;;) {
    try {
      return { raw: await inspectRaw(reference, name, puller, credential), credential };
    } catch (error) {
      const next = others.shift();
      const turnedAway = error instanceof TvmError && /^(permission_denied|not_found)$/.test(error.code);
      if (!next || !turnedAway) throw error;
      credential = next;
    }
  }
}

async function inspectRaw(
  reference: OciReference,
  name: string,
  { skopeo, limits, signal }: Puller,
  credential: Credential | undefined,
): Promise<Buffer> {
  const { inspectTimeoutMs: timeoutMs } = limits;
  const args = ['--raw', `docker://${name}`];
  return (await skopeo(reference, { command: 'inspect', args, timeoutMs, signal, credential })).stdout;
}

function checkDigest(reference: OciReference, raw: Buffer): void {
  const wanted = /@(sha256:.*)$/.exec(reference.normalised)?.[1];
  if (wanted !== undefined && wanted !== digestOf(raw)) throw wrongDigest(reference);
}

function wrongDigest(reference: OciReference): TvmError {
  return pullRefused(reference, 'data_loss', 'the registry sent another manifest than that of the digest asked for');
}

function checkDeclaredSize(reference: OciReference, manifest: Manifest, limits: OciLimits): void {
  const bytes = declaredBytes(manifest);
  const { layers, config } = manifest;
  if (layers.length > limits.maxLayers)
    throw pullRefused(reference, 'resource_exhausted', `it has ${layers.length} layers`);
  if (config.size > maxConfigBytes)
    throw pullRefused(reference, 'resource_exhausted', `its configuration is ${config.size} bytes`);
  if (bytes > limits.maxDownloadBytes)
    throw pullRefused(reference, 'resource_exhausted', `it is ${bytes} bytes to download`);
}

function digestOf(raw: Buffer): string {
  return `sha256:${createHash('sha256').update(raw).digest('hex')}`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

function byDigest({ normalised }: OciReference, digest: string): string {
  const repository = normalised.replace(/@.*$/, '').replace(/:[^:/]*$/, '');
  return `${repository}@${digest}`;
}

function pullRefused(
  { normalised }: OciReference,
  code: 'not_found' | 'data_loss' | 'resource_exhausted',
  why: string,
) {
  return new TvmError(code, `${normalised} cannot be used: ${why}`, {
    object: `image/${normalised}`,
    reason: 'ImagePullFailed',
  });
}
