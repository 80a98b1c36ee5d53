// What is done to MicroVMs, and how long each took until it was as declared, seen by a watch of the benchmark's own.
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import type { MicroVm, MicroVmSpec, Phase } from '@tvm/api/kinds/microvm.ts';
import { systemClock } from '@tvm/kit/clock.ts';
import { makeReflector, type Reflector } from '@tvm/kit/controller/reflector.ts';
import { type KubeClient, microVms } from '@tvm/kit/kube/client.ts';
import { makeLogger } from '@tvm/kit/log.ts';

export const namespace = 'default';
/** Requests of the benchmark that are open at once. */
const clients = 16;
const deadlineMs = 600_000;

export interface Load {
  /** Makes those with these numbers; ms from the request to Running, of each. */
  create(numbers: readonly number[]): Promise<number[]>;
  /** Pauses them and resumes them, one after another; ms of each of both. */
  touch(numbers: readonly number[]): Promise<number[]>;
  /** Deletes them; ms from the request until it is gone, of each. */
  remove(numbers: readonly number[]): Promise<number[]>;
}

export const numbersUpTo = (end: number, from = 0) => Array.from({ length: end - from }, (_, index) => from + index);
const nameOf = (number: number) => `scale-${number}`;

export async function openLoad(client: KubeClient, signal: AbortSignal): Promise<Load> {
  const seen = makeReflector({
    client,
    resource: microVms,
    namespace,
    clock: systemClock,
    log: makeLogger('scale', 'silent'),
  });
  void seen.run(signal);
  await seen.whenSynced;
  const waitFor = waiterOf(seen);
  const has = (phase: Phase) => (vm: MicroVm | undefined) => vm?.status?.phase === phase;
  const patched = (number: number, desiredState: 'Paused' | 'Running') =>
    client.patch(microVms, namespace, nameOf(number), { spec: { desiredState } });
  return {
    create: (numbers) =>
      sendAll(numbers, (number) => ({
        reached: waitFor(number, has('Running')),
        answered: client.create(microVms, declared(number)),
      })),
    async touch(numbers) {
      const times: number[] = [];
      for (const number of numbers) {
        for (const state of ['Paused', 'Running'] as const) {
          const reached = waitFor(number, has(state));
          await patched(number, state);
          times.push(await reached);
        }
      }
      return times;
    },
    remove: (numbers) =>
      sendAll(numbers, (number) => ({
        reached: waitFor(number, (vm) => vm === undefined),
        answered: client.delete(microVms, namespace, nameOf(number)),
      })),
  };
}

function declared(number: number): MicroVm {
  const spec: MicroVmSpec = { image: 'tvm/python', cpu: 1, memory: 256, desiredState: 'Running' };
  return { apiVersion, kind: 'MicroVM', metadata: { name: nameOf(number), namespace }, spec };
}

interface Sent {
  answered: Promise<unknown>;
  /** Ms until it was as wanted. */
  reached: Promise<number>;
}

/** The next is sent when one was answered, whatever has become of it; all are waited for together. */
async function sendAll(numbers: readonly number[], send: (number: number) => Sent): Promise<number[]> {
  const left = [...numbers];
  const reached: Promise<number>[] = [];
  const work = async () => {
    for (let number = left.shift(); number !== undefined; number = left.shift()) {
      const sent = send(number);
      reached.push(sent.reached);
      await sent.answered;
    }
  };
  await Promise.all([...Array.from({ length: clients }, work)]);
  return Promise.all(reached);
}

type Wanted = (vm: MicroVm | undefined) => boolean;

/** A function that waits for one MicroVM and gives the ms from its call. Throws an Error when it takes too long. */
function waiterOf(seen: Reflector<MicroVm>): (number: number, wanted: Wanted) => Promise<number> {
  const waiting = new Map<string, { wanted: Wanted; resolve: () => void }>();
  seen.subscribe(({ key, object }) => {
    const waiter = waiting.get(key);
    if (!waiter?.wanted(object)) return;
    waiting.delete(key);
    waiter.resolve();
  });
  return async (number, wanted) => {
    const key = `${namespace}/${nameOf(number)}`;
    const began = performance.now();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    waiting.set(key, { wanted, resolve });
    const late = setTimeout(() => {
      const { phase, reason } = seen.get(key)?.status ?? {};
      reject(new Error(`${key} is ${phase ?? 'there'} (${reason}) after ${deadlineMs} ms`));
    }, deadlineMs);
    await promise.finally(() => clearTimeout(late));
    return performance.now() - began;
  };
}
