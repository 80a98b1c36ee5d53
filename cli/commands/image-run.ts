// The runs of vvm image: the image store of this machine, without the service.
import { makeImageStore } from '@tvm/images/store.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import type { Context } from '../context.ts';
import { age, parseOutputFormat, table, toJson, toYaml } from '../output/table.ts';

function storeOf({ config }: Context) {
  const log = makeLogger('vvm', config.environment.TVM_LOG_LEVEL ?? 'warn');
  return makeImageStore({ cacheDir: config.cache, log, kernel: config.environment.TVM_KERNEL });
}

export async function pull(context: Context, reference: string): Promise<void> {
  const image = await storeOf(context).ensure(reference, context.progress.say);
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
  const rows = images.map(({ reference, digest, sizeBytes, createdAtMs, path }) => [
    reference,
    digest.slice(0, 'sha256:'.length + 12),
    `${Math.ceil(sizeBytes / 1_048_576)} MiB`,
    age(new Date(createdAtMs).toISOString(), now),
    ...(format === 'wide' ? [path] : []),
  ]);
  await context.stdout.write(table(['IMAGE', 'DIGEST', 'SIZE', 'AGE', ...(format === 'wide' ? ['FILE'] : [])], rows));
}

export async function buildKernel(context: Context): Promise<void> {
  const { kernelVersion, kernelPath } = await storeOf(context).buildKernel(context.progress.say);
  await context.progress.clear();
  await context.stdout.write(`${kernelVersion} ${kernelPath}\n`);
}
