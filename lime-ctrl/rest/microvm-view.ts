// A MicroVM as REST shows it, and the stream of its changes.
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import type { MicroVmView, WatchEvent } from '@tvm/api/rest/microvms.ts';
import type { Change, Reflector } from '@tvm/kit/controller/reflector.ts';

const maxQueued = 1000;
const keepAliveMs = 15_000;
const encoder = new TextEncoder();

export function viewOf({ metadata, spec, status = {} }: MicroVm): MicroVmView {
  return {
    name: metadata.name,
    namespace: metadata.namespace ?? '',
    uid: metadata.uid ?? '',
    createdAt: metadata.creationTimestamp ?? '',
    deleting: metadata.deletionTimestamp !== undefined,
    labels: metadata.labels ?? {},
    spec,
    status,
  };
}

/** First all machines, then changes, as server-sent events. A reader too slow to keep up is cut off and begins anew. */
export async function* watchStream(
  reflector: Reflector<MicroVm>,
  namespace: string | undefined,
  gone: AbortSignal,
): AsyncIterable<Uint8Array> {
  const wanted = (vm: MicroVm | undefined) => namespace === undefined || vm?.metadata.namespace === namespace;
  await reflector.whenSynced;
  const queue: WatchEvent[] = reflector
    .list()
    .filter(wanted)
    .map((vm) => ({ type: 'added', object: viewOf(vm) }));
  let wake = () => {};
  const stop = reflector.subscribe((change) => {
    if (wanted(change.object ?? change.previous)) queue.push(...eventOf(change));
    wake();
  });
  try {
    while (!gone.aborted && queue.length <= maxQueued + reflector.list().length) {
      const event = queue.shift();
      if (event) yield encoder.encode(`data: ${JSON.stringify(event)}\n\n`);
      else if (await waitFor((resolve) => (wake = () => resolve()), gone)) yield encoder.encode(': keep-alive\n\n');
    }
  } finally {
    stop();
  }
}

function eventOf({ object, previous }: Change<MicroVm>): WatchEvent[] {
  if (!object) return previous ? [{ type: 'deleted', object: viewOf(previous) }] : [];
  return [{ type: previous ? 'modified' : 'added', object: viewOf(object) }];
}

/** True when nothing came for a while. */
function waitFor(onWake: (resolve: () => void) => void, gone: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (idle: boolean) => {
      clearTimeout(timer);
      gone.removeEventListener('abort', leave);
      resolve(idle);
    };
    const leave = () => settle(false);
    const timer = setTimeout(() => settle(true), keepAliveMs);
    gone.addEventListener('abort', leave, { once: true });
    onWake(() => settle(false));
  });
}
