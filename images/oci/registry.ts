// Reads manifests and fetches images with skopeo. Invariant: what is fetched was asked for by digest, and its declared size
// is within the limits before the first layer is asked for.
import { createHash } from 'node:crypto';
import { TvmError } from '@tvm/api/errors.ts';
import type { Progress } from '../contract.ts';
import { isLoopbackRegistry, type OciReference } from '../reference.ts';
import { type CommandResult, runCommand } from '../run-command.ts';
import { requireTool } from '../tools.ts';
import type { OciLimits } from './limits.ts';
import { type Manifest, parseManifest } from './manifest.ts';
import { pullError } from './pull-error.ts';

const fileSlackBytes = 1 << 20;

export interface ResolvedImage {
  /** Of the manifest for linux/amd64. */
  digest: string;
  manifest: Manifest;
}

/** Asks the registry what the reference is now. */
export async function resolveImage(
  reference: OciReference,
  limits: OciLimits,
  signal: AbortSignal,
): Promise<ResolvedImage> {
  let raw = await inspectRaw(reference, reference.normalised, limits, signal);
  let parsed = parseManifest(raw);
  if (parsed.kind === 'index') {
    if (!parsed.entry) throw pullRefused(reference, 'not_found', 'it has no variant for linux/amd64');
    raw = await inspectRaw(reference, byDigest(reference, parsed.entry.digest), limits, signal);
    parsed = parseManifest(raw);
  }
  if (parsed.kind === 'index') throw pullRefused(reference, 'data_loss', 'its index points to another index');
  checkDeclaredSize(reference, parsed.manifest, limits);
  return { digest: `sha256:${createHash('sha256').update(raw).digest('hex')}`, manifest: parsed.manifest };
}

/** Copies the image into `layoutDir`, an OCI layout with the one image `image`. skopeo checks every blob's digest. */
export async function fetchImage(
  reference: OciReference,
  image: ResolvedImage,
  layoutDir: string,
  limits: OciLimits,
  onProgress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const { layers, config } = image.manifest;
  const largest = Math.max(config.size, ...layers.map(({ size }) => size));
  let begun = 0;
  onProgress('pulling');
  const source = `docker://${byDigest(reference, image.digest)}`;
  const tls = isLoopbackRegistry(reference.registry) ? ['--src-tls-verify=false'] : [];
  const result = await runCommand({
    program: 'prlimit',
    args: [
      `--fsize=${largest + fileSlackBytes}`,
      requireTool('skopeo'),
      '--insecure-policy',
      'copy',
      ...tls,
      source,
      `oci:${layoutDir}:image`,
    ],
    timeoutMs: limits.pullTimeoutMs,
    signal,
    onLine: (line) => {
      if (/^Copying blob/.test(line))
        onProgress(`pulling layer ${Math.min(++begun, layers.length)} of ${layers.length}`);
    },
  }).catch(unavailableWhenLate(reference));
  if (result.exitCode !== 0) throw pullError(reference.normalised, result.stderr);
}

async function inspectRaw(
  reference: OciReference,
  name: string,
  limits: OciLimits,
  signal: AbortSignal,
): Promise<Buffer> {
  const tls = isLoopbackRegistry(reference.registry) ? ['--tls-verify=false'] : [];
  const result = await runCommand({
    program: 'skopeo',
    args: ['--insecure-policy', 'inspect', '--raw', ...tls, `docker://${name}`],
    timeoutMs: limits.inspectTimeoutMs,
    signal,
  }).catch(unavailableWhenLate(reference));
  if (result.exitCode !== 0) throw pullError(reference.normalised, result.stderr);
  return result.stdout;
}

function checkDeclaredSize(reference: OciReference, { layers, config }: Manifest, limits: OciLimits): void {
  const bytes = layers.reduce((sum, { size }) => sum + size, config.size);
  if (layers.length > limits.maxLayers)
    throw pullRefused(reference, 'resource_exhausted', `it has ${layers.length} layers`);
  if (bytes > limits.maxDownloadBytes)
    throw pullRefused(reference, 'resource_exhausted', `it is ${bytes} bytes to download`);
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

function unavailableWhenLate({ normalised }: OciReference) {
  return (error: unknown): CommandResult => {
    if (!(error instanceof TvmError) || error.code !== 'deadline_exceeded') throw error;
    throw pullError(normalised, 'the registry did not answer in time', error);
  };
}
