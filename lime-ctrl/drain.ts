// The end of a replica that others stand beside: what callers have under way is finished, what only listens goes to the others.
// Invariant: waiting is bounded.
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { Gateway } from './mcp/gateway.ts';
import type { RunningRest } from './rest/server.ts';

/** So long after its end was decided, proxies and the nodes' tables of Services still send callers here. */
const heardOfMs = 5_000;

export interface DrainDeps {
  rest: Pick<RunningRest, 'takeNoMore'>;
  gateway: Pick<Gateway, 'letGo'>;
  clock: Clock;
  log: Logger;
}

/** Resolves when nothing is under way any more, `deadlineMs` from now at most. */
export async function drain({ rest, gateway, clock, log }: DrainDeps, deadlineMs: number): Promise<void> {
  const stopAtMs = Math.min(heardOfMs, deadlineMs);
  await clock.sleep(stopAtMs);
  const answered = rest.takeNoMore().then(() => true);
  await gateway.letGo();
  const settled = new AbortController();
  const late = clock.sleep(deadlineMs - stopAtMs, settled.signal).then(() => false);
  if (!(await Promise.race([answered, late])))
    log.warn({ deadlineMs }, 'requests are still under way: they are cut off');
  settled.abort();
}
