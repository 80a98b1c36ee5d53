// Waits for the state that a run is to find: a machine that waits, a template that is ready, nothing being made.
import { setTimeout as sleep } from 'node:timers/promises';
import { TemplateState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { StatusView } from '@tvm/api/rest/microvms.ts';
import type { Service } from './service.ts';

export const defaultMemoryMiB = 256;

const deadlineMs = 180_000;
const pollMs = 25;

/** Asks again until the answer is true. Throws an Error that names `what` when the time is up. */
export async function until(what: string, isTrue: () => Promise<boolean>, withinMs = deadlineMs): Promise<void> {
  for (const end = performance.now() + withinMs; !(await isTrue()); await sleep(pollMs)) {
    if (performance.now() > end) throw new Error(`not within ${withinMs / 1000} s: ${what}`);
  }
}

/** A machine of the default size waits, and none is being made. */
export async function untilWaiting({ rest }: Service): Promise<void> {
  await until('a machine waits', async () => {
    const { pools } = await rest.status();
    return pools.some(isDefault) && pools.every(({ making }) => making === 0) && pools.filter(isDefault).every(isFull);
  });
}

/** As many wait as wanted: what demand added is made or given back. */
export async function untilAtRest({ rest }: Service, withinMs = deadlineMs): Promise<void> {
  await until(
    'the pool is at rest',
    async () => (await rest.status()).pools.every(({ waiting, making, wanted }) => making === 0 && waiting === wanted),
    withinMs,
  );
}

/** Machines of the default kind start from a snapshot from now on. Runs one first, so that there is demand for it. */
export async function untilTemplate({ rest, flintlock }: Service): Promise<void> {
  await rest.execute({ code: '' });
  await until('the template is ready', async () => {
    const { templates } = await flintlock.getNode({});
    const mine = templates.filter((each) => each.memoryMib === defaultMemoryMiB && each.interpreter === 'python');
    const failed = mine.find(({ state }) => state === TemplateState.FAILED);
    if (failed) throw new Error(`no template: ${failed.message}`);
    return mine.some(({ state }) => state === TemplateState.READY);
  });
}

type PoolView = StatusView['pools'][number];

function isDefault({ image, cpu, memory }: PoolView): boolean {
  return image === 'tvm/python' && cpu === 1 && memory === defaultMemoryMiB;
}

const isFull = ({ waiting, wanted }: PoolView) => waiting >= Math.max(1, wanted);
