// The run of vvm logs: the stream, at the reader's pace.
import { TvmError } from '@tvm/api/errors.ts';
import type { Context } from '../context.ts';
import { pathOf } from './machine-client.ts';
import { clientOf } from './machines-run.ts';
import { parseCount, parseSeconds } from './parse-options.ts';

export interface LogOptions {
  follow?: boolean;
  tail?: string;
  since?: string;
  timestamps?: boolean;
  source?: string;
  namespace?: string;
}

export async function logs(context: Context, name: string, options: LogOptions): Promise<void> {
  const { follow, timestamps, source, namespace } = options;
  const tailLines = options.tail === undefined ? undefined : parseCount(options.tail, 'lines');
  const sinceSeconds = options.since === undefined ? undefined : Math.ceil(parseSeconds(options.since));
  const client = await clientOf(context);
  const query = { follow, tailLines, sinceSeconds, timestamps, source, namespace };
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
