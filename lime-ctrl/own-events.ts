// Events about lime-ctrl itself, on the pod that it runs in. Invariant: the same trouble is told once, until it has changed.
import type { Clock } from '@tvm/kit/clock.ts';
import type { EventIntent, EventRecorder } from '@tvm/kit/kube/event-recorder.ts';
import type { Config } from './config.ts';

const lookEveryMs = 5_000;
/** At the start much is not there yet. */
const settleMs = 20_000;

export type Tell = (type: EventIntent['type'], reason: string, message: string) => void;

/** Does nothing outside of a pod: there is no object to tell it of, and the log has it. */
export function makeTell(recorder: EventRecorder, pod: Config['pod']): Tell {
  if (!pod) return () => {};
  const { uid, ...metadata } = pod;
  const object = { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, ...(uid !== undefined && { uid }) } };
  return (type, reason, message) => recorder.record(object, { type, reason, message });
}

/** Tells what keeps lime-ctrl from its work, by reason, until the signal aborts. */
export async function tellTroubles(
  { tell, troubles, clock }: { tell: Tell; troubles: Record<string, () => string | undefined>; clock: Clock },
  signal: AbortSignal,
): Promise<void> {
  const told = new Map<string, string>();
  await clock.sleep(settleMs, signal);
  while (!signal.aborted) {
    for (const [reason, find] of Object.entries(troubles)) {
      const trouble = find();
      if (trouble === undefined) told.delete(reason);
      else if (told.get(reason) !== trouble) {
        told.set(reason, trouble);
        tell('Warning', reason, trouble);
      }
    }
    await clock.sleep(lookEveryMs, signal);
  }
}
