// The parts of OCI and Docker manifests that are read here. Everything comes from a registry, so everything is checked.
import { posix } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import * as z from 'zod';
import type { ImageConfig } from '../contract.ts';

/** They are sent to the guest in one message. */
const maxConfigTextBytes = 64 * 1024;

const digestSchema = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const descriptorSchema = z.object({
  mediaType: z.string().default(''),
  digest: digestSchema,
  size: z.number().int().nonnegative(),
  platform: z.object({ os: z.string(), architecture: z.string() }).optional(),
});
export type Descriptor = z.infer<typeof descriptorSchema>;

const indexSchema = z.object({ manifests: z.array(descriptorSchema).max(1000) });
const manifestSchema = z.object({ config: descriptorSchema, layers: z.array(descriptorSchema) });
export type Manifest = z.infer<typeof manifestSchema>;

const strings = z.array(z.string()).nullish();
const configSchema = z.object({
  config: z
    .object({
      Env: strings,
      User: z.string().nullish(),
      WorkingDir: z.string().nullish(),
      Entrypoint: strings,
      Cmd: strings,
    })
    .nullish(),
});

export type ManifestOrIndex =
  | { kind: 'manifest'; manifest: Manifest }
  | { kind: 'index'; entry: Descriptor | undefined };

/** Reads a manifest; of an index the entry for linux/amd64. Throws `data_loss` for anything else. */
export function parseManifest(raw: Uint8Array): ManifestOrIndex {
  const json = parseJson(raw, 'manifest');
  const index = indexSchema.safeParse(json);
  if (index.success) return { kind: 'index', entry: index.data.manifests.find(isForGuests) };
  const manifest = manifestSchema.safeParse(json);
  if (manifest.success) return { kind: 'manifest', manifest: manifest.data };
  throw new TvmError('data_loss', 'the registry sent a manifest of a kind that is not supported');
}

/** How programs start in the image, from its configuration blob. */
export function parseImageConfig(raw: Uint8Array): ImageConfig {
  const parsed = configSchema.safeParse(parseJson(raw, 'image configuration'));
  if (!parsed.success) throw new TvmError('data_loss', 'the image configuration is malformed', { cause: parsed.error });
  const config = parsed.data.config ?? {};
  const found = {
    env: Object.fromEntries((config.Env ?? []).map(splitVariable).filter(([name]) => name !== '')),
    user: config.User ?? '',
    workdir: config.WorkingDir ? posix.resolve('/', config.WorkingDir) : '',
    entrypoint: config.Entrypoint ?? [],
    cmd: config.Cmd ?? [],
  };
  checkConfig(found);
  return found;
}

/** Throws for what no process can be started with. */
export function checkConfig(config: ImageConfig): void {
  const { env, user, workdir, entrypoint, cmd } = config;
  const texts = [...Object.entries(env).flat(), user, workdir, ...entrypoint, ...cmd];
  if (texts.some((text) => text.includes('\0')))
    throw new TvmError('data_loss', 'the image configuration has zero bytes');
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  if (bytes <= maxConfigTextBytes) return;
  throw new TvmError('resource_exhausted', `the image configuration is ${bytes} bytes of environment and arguments`);
}

function isForGuests({ platform }: Descriptor): boolean {
  return platform?.os === 'linux' && platform.architecture === 'amd64';
}

function splitVariable(variable: string): [string, string] {
  const at = variable.indexOf('=');
  return at < 0 ? [variable, ''] : [variable.slice(0, at), variable.slice(at + 1)];
}

function parseJson(raw: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(Buffer.from(raw).toString());
  } catch (cause) {
    throw new TvmError('data_loss', `the ${what} is not JSON`, { cause });
  }
}
