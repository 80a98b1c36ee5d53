// Keeps the certificates of lime-ctrl and the flintlocks, for as long as this replica leads. Invariant: it acts on what it
// has just read, one step at a time, so that it may be ended after any step and begun anew.
import { TvmError } from '@tvm/api/errors.ts';
import { backoffMs } from '@tvm/kit/backoff.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { KubeClient } from '@tvm/kit/kube/client.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { type Action, planCertificates } from './plan.ts';
import { executeAction, type Names, observedIn, readSecrets } from './secrets.ts';

const lookEveryMs = 30_000;
const backoff = { baseMs: 500, maxMs: 30_000 };
/** More than any state takes. */
const maxSteps = 16;

export interface KeeperDeps {
  client: KubeClient;
  names: Names;
  clock: Clock;
  log: Logger;
  /** Tells of each step, and of what keeps it from one, in a word and a sentence. */
  tell: (type: 'Normal' | 'Warning', reason: string, message: string) => void;
}

/** Runs until the signal aborts. */
export async function keepCertificates(deps: KeeperDeps, signal: AbortSignal): Promise<void> {
  const { clock } = deps;
  let failures = 0;
  while (!signal.aborted) {
    try {
      await reconcileCertificates(deps, signal);
      failures = 0;
    } catch (thrown) {
      failures += 1;
      if (!signal.aborted) complain(deps, TvmError.from(thrown), failures);
    }
    await clock.sleep(failures === 0 ? lookEveryMs : backoffMs(backoff, failures), signal);
  }
}

/** Step after step until none is left. */
export async function reconcileCertificates(deps: KeeperDeps, signal: AbortSignal): Promise<void> {
  const { client, names, clock, log, tell } = deps;
  for (let step = 0; step < maxSteps && !signal.aborted; step += 1) {
    const found = await readSecrets(client, names);
    const observed = observedIn(found, names, clock.now());
    const action = planCertificates(observed);
    if (!action) return;
    await executeAction(client, names, action, found, observed);
    log.info({ action: action.type, ...('side' in action && { side: action.side }) }, 'certificates');
    if (action.type !== 'trust') tell('Normal', 'CertificateIssued', wordsOf(action));
  }
}

function wordsOf(action: Action): string {
  if (action.type === 'makeAuthority') return 'a new certificate authority was made';
  return `a new certificate was made for ${'side' in action && action.side === 'client' ? 'lime-ctrl' : 'flintlock'}`;
}

function complain({ log, tell }: KeeperDeps, { code, message }: TvmError, failures: number): void {
  // Another replica was faster: what it wrote is read next.
  if (code === 'aborted' || code === 'already_exists') return;
  const hint =
    code === 'permission_denied' || code === 'not_found' ? ' (kubectl apply -f deploy/ gives what it needs)' : '';
  log.warn({ why: message, code }, 'certificates not kept, will try again');
  if (failures === 1) tell('Warning', 'CertificatesNotKept', `${message}${hint}`);
}
