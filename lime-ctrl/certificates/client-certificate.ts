// The certificate by which this replica proves itself to flintlocks, as the leader keeps it in a Secret. Invariant: once
// there is a whole one, there always is: what cannot be read or used later does not take its place.
import { TvmError } from '@tvm/api/errors.ts';
import type { TlsMaterial } from '@tvm/kit/certificates/folder.ts';
import { isWhole } from '@tvm/kit/certificates/inspect.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { KubeClient } from '@tvm/kit/kube/client.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { readClientSecret } from './secrets.ts';

const firstLookMs = 500;
const lookEveryMs = 30_000;

export interface ClientCertificate {
  /** Throws TvmError unavailable while there is none. */
  material(): TlsMaterial;
  whenThere: Promise<void>;
  /** Why there is none yet; undefined: there is. */
  missing(): string | undefined;
  /** Reads it again and again until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export function makeClientCertificate(deps: {
  client: KubeClient;
  namespace: string;
  clock: Clock;
  log: Logger;
}): ClientCertificate {
  const { client, namespace, clock, log } = deps;
  const there = Promise.withResolvers<void>();
  let current: TlsMaterial | undefined;
  let why = 'the leader has not made it yet';

  async function look(): Promise<void> {
    try {
      const material = await readClientSecret(client, namespace);
      if (!material) why = 'the leader has not made it yet';
      else if (!isWhole(material)) why = 'its Secret is broken';
      else {
        current = material;
        there.resolve();
      }
    } catch (thrown) {
      const { message } = TvmError.from(thrown);
      if (message !== why) log.warn({ why: message }, 'the client certificate cannot be read');
      why = message;
    }
  }

  const missing = () => (current ? undefined : `no client certificate (Secret ${namespace}/lime-ctrl-tls): ${why}`);
  return {
    material() {
      if (current) return current;
      throw new TvmError('unavailable', missing() ?? '', { reason: 'NoClientCertificate' });
    },
    whenThere: there.promise,
    missing,
    async run(signal) {
      while (!signal.aborted) {
        await look();
        await clock.sleep(current ? lookEveryMs : firstLookMs, signal);
      }
    },
  };
}
