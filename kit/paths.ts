// Where things live on one machine. A pure function of the environment: only config files call it.
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface Paths {
  /** State of this installation: databases, machines, sockets, tokens (mode 0700). */
  home: string;
  /** What can be made again: kernels, images, the guest agent. Shared between homes. */
  cache: string;
}

/** TVM_HOME and TVM_CACHE_DIR, else the XDG folders. */
export function pathsFrom(env: Record<string, string | undefined>): Paths {
  const user = env.HOME ?? homedir();
  return {
    home: env.TVM_HOME ?? join(env.XDG_DATA_HOME ?? join(user, '.local/share'), 'tvm'),
    cache: env.TVM_CACHE_DIR ?? join(env.XDG_CACHE_HOME ?? join(user, '.cache'), 'tvm'),
  };
}
