// The runs of vvm image: the image store of this machine, without the service.
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { makeImageStore } from '@tvm/images/store.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { usageError } from '../exit-codes.ts';
import { age, parseOutputFormat, table, toJson, toYaml } from '../output/table.ts';
import { parseVariables } from './parse-options.ts';

function storeOf({ config }: Context) {
  const log = makeLogger('vvm', config.environment.TVM_LOG_LEVEL ?? 'warn');
  return makeImageStore({ cacheDir: config.cache, log, kernel: config.environment.TVM_KERNEL });
}

export async function pull(context: Context, reference: string, options: { authfile?: string }): Promise<void> {
  const credentials = options.authfile === undefined ? [] : [await readCredentials(options.authfile)];
  const image = await storeOf(context).ensure(reference, context.progress.say, undefined, { credentials });
  await context.progress.clear();
  await context.stdout.write(`${image.reference} ${image.digest}\n`);
}

export async function list(context: Context, output: string): Promise<void> {
  const format = parseOutputFormat(output);
  const images = await storeOf(context).list();
  if (format === 'json') return await context.stdout.write(toJson({ items: images }));
  if (format === 'yaml') return await context.stdout.write(await toYaml({ items: images }));
  if (format === 'name') return await context.stdout.write(images.map(({ reference }) => `${reference}\n`).join(''));
  const now = Date.now();
  const ageOf = (atMs: number) => age(new Date(atMs).toISOString(), now);
  const rows = images.map(({ reference, digest, sizeBytes, createdAtMs, lastUsedAtMs, inUse, path }) => [
    reference,
    digest.slice(0, 'sha256:'.length + 12),
    megabytes(sizeBytes),
    ageOf(createdAtMs),
    inUse ? 'now' : ageOf(lastUsedAtMs),
    ...(format === 'wide' ? [path] : []),
  ]);
  const header = ['IMAGE', 'DIGEST', 'SIZE', 'AGE', 'LAST-USED', ...(format === 'wide' ? ['FILE'] : [])];
  await context.stdout.write(table(header, rows));
}

export async function remove(context: Context, references: string[]): Promise<void> {
  const store = storeOf(context);
  for (const reference of references) await store.remove(reference);
}

export async function prune(context: Context, { all }: { all?: boolean }): Promise<void> {
  const store = storeOf(context);
  const { references, bytes } = await (all ? store.prune(0) : store.prune());
  await context.stdout.write(references.map((reference) => `${reference}\n`).join(''));
  context.progress.say(`${megabytes(bytes)} were freed`);
  await context.progress.clear();
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1_048_576)} MiB`;
}

async function readCredentials(path: string): Promise<string> {
  try {
    return path === '-' ? await text(process.stdin) : await readFile(path, 'utf8');
  } catch (error) {
    throw usageError(`credentials cannot be read from ${path}: ${(error as Error).message}`, 'Write --authfile FILE.');
  }
}

export interface BuildOptions {
  tag: string;
  file?: string;
  env?: string[];
  user?: string;
  workdir?: string;
  entrypoint?: string;
  cmd?: string;
}

export async function build(context: Context, source: string, options: BuildOptions): Promise<void> {
  const { tag: name, file, env, user, workdir, entrypoint, cmd } = options;
  const config = {
    ...(env && { env: parseVariables(env, context.config.environment) }),
    ...(user !== undefined && { user }),
    ...(workdir !== undefined && { workdir }),
    ...(entrypoint !== undefined && { entrypoint: wordsOf('--entrypoint', entrypoint) }),
    ...(cmd !== undefined && { cmd: wordsOf('--cmd', cmd) }),
  };
  const request = { source, name, config, ...(file !== undefined && { buildFile: file }) };
  const image = await storeOf(context).build(request, context.progress.say);
  await context.progress.clear();
  await context.stdout.write(`${image.reference} ${image.digest}\n`);
}

function wordsOf(option: string, text: string): string[] {
  if (!text.trim().startsWith('[')) return [text];
  try {
    return z.array(z.string()).parse(JSON.parse(text));
  } catch {
    throw usageError(`${option} ${text} is no JSON array of texts`, `Write ${option} '["/bin/server", "--quiet"]'.`);
  }
}

export async function buildKernel(context: Context): Promise<void> {
  const { kernelVersion, kernelPath } = await storeOf(context).buildKernel(context.progress.say);
  await context.progress.clear();
  await context.stdout.write(`${kernelVersion} ${kernelPath}\n`);
}
