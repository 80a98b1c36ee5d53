// Where the REST API is and how this user is known there: the service of this machine, started when needed, or a remote.
import { TvmError } from '@tvm/api/errors.ts';
import type { Config } from '../config.ts';
import { ensureService } from '../service/start.ts';
import { readToken } from '../service/tokens.ts';

export interface Endpoint {
  /** Without a slash at the end. */
  url: string;
  token: string;
  /** Not the service of this machine. */
  remote?: true;
}

/** Throws TvmError when the service does not come up. `say` hears what goes on. */
export async function endpointOf(config: Config, say: (message: string) => void): Promise<Endpoint> {
  if (config.remote) return config.remote;
  const service = await ensureService(config, say);
  if (!service.url) throw new TvmError('internal', 'the service runs and says no address');
  return { url: service.url, token: readToken(service.tokensFile) };
}
