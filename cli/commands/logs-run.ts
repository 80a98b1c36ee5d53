// The run of vvm logs: the stream, at the reader's pace.
import { TvmError } from '@tvm/api/errors.ts';
import type { Context } from '../context.ts';
import { pathOf } from './machine-client.ts';
import { clientOf } from './machines-run.ts';
import { parseCount } from './parse-options.ts';

export async function logs(
  context: Context,
  name: string,
  options: { follow?: boolean; tail?: string; namespace?: string },
): Promise<void> {
  const tailBytes = options.tail === undefined ? undefined : parseCount(options.tail, 'bytes');
  const client = await clientOf(context);
  const query = { follow: options.follow, tailBytes, namespace: options.namespace };
  const response = await client.raw({ path: `${pathOf(name)}/logs`, query });
  await context.progress.clear();
  const reader = response.body?.getReader();
  for (;;) {
    const next = await reader?.read().catch((cause: unknown) => {
      throw new TvmError('unavailable', `the log of ${name} was cut off`, { cause });
    });
    if (!next?.value) return;
    await context.stdout.write(next.value);
  }
}
